import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../lab/run-command.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';

const limitMs = 60_000;
const pidFile = 'pid';

/** A TPM 2.0 of its own, with nobody else's keys: swtpm. */
export class SoftwareTpm implements AsyncDisposable {
  /** For `SYSTEMD_TPM2_DEVICE`. */
  readonly device: string;
  readonly #stack: AsyncDisposableStack;
  readonly #process: ChildProcess;

  private constructor(socket: string, process: ChildProcess, stack: AsyncDisposableStack) {
    this.device = `swtpm:path=${socket}`;
    this.#process = process;
    this.#stack = stack;
  }

  static async start(): Promise<SoftwareTpm> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await temporaryFolder());
    const state = join(path, 'state');
    await mkdir(state);
    const socket = join(path, 'tpm');
    const signal = AbortSignal.timeout(limitMs);
    // It writes the file when it listens; watched from before it begins.
    const listens = appears(path, pidFile, signal);
    listens.catch(() => undefined);
    const child = spawnMortal(
      [
        ...['swtpm', 'socket', '--tpm2', '--tpmstate', `dir=${state}`],
        ...['--flags', 'not-need-init,startup-clear', '--pid', `file=${join(path, pidFile)}`],
        // libtss2 looks for the control channel there
        ...['--server', `type=unixio,path=${socket}`, '--ctrl', `type=unixio,path=${socket}.ctrl`],
      ],
      { stdio: 'ignore' },
    );
    stack.defer(() => killed(child));
    const early = once(child, 'exit', { signal }).then(() => {
      throw new Error('swtpm ended while it was starting');
    });
    await Promise.race([early, listens]);
    early.catch(() => undefined);
    return new SoftwareTpm(socket, child, stack.move());
  }

  /** Runs a program of tpm2-tools on it, and frees what that leaves in it. */
  async use(program: string, ...args: string[]): Promise<void> {
    await this.#run(program, ...args);
    await this.freeSessions();
  }

  /** What the kernel's resource manager does behind /dev/tpmrm0 when a program closes it; without it a TPM has room for three. */
  async freeSessions(): Promise<void> {
    await this.#run('tpm2_flushcontext', '--loaded-session');
    await this.#run('tpm2_flushcontext', '--transient-object');
  }

  /** It answers nobody until `resume`. */
  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  async #run(program: string, ...args: string[]): Promise<void> {
    const environment = { TPM2TOOLS_TCTI: this.device };
    await runCommand([program, ...args], { environment }, AbortSignal.timeout(limitMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function appears(folder: string, name: string, signal: AbortSignal): Promise<void> {
  for await (const { filename } of watch(folder, { signal })) if (filename === name) return;
}
