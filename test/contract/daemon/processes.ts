import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledCode } from '../../lab/cache/compiled-code.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';

const fixture = fileURLToPath(new URL('fixture-wdockd.ts', import.meta.url));
const wdockdMain = fileURLToPath(new URL('../../../host-plugins/daemon/main.ts', import.meta.url));
const wdockMain = fileURLToPath(new URL('../../../host-plugins/cli/main.ts', import.meta.url));

/** A process of a test, with all that it printed. */
export class Running implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<{ exit: number | null; out: string; err: string }>;
  #out = '';
  #err = '';
  readonly #waiting = new Set<() => void>();

  constructor(argv: readonly string[], environment: NodeJS.ProcessEnv = { ...process.env, ...compiledCode }) {
    const [program = '', ...args] = argv;
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: environment });
    // a test that times out never disposes of what it started
    const kill = () => this.child.kill('SIGKILL');
    process.once('exit', kill);
    this.child.once('close', () => process.off('exit', kill));
    this.child.stdout?.on('data', (data) => this.#add(() => (this.#out += String(data))));
    this.child.stderr?.on('data', (data) => this.#add(() => (this.#err += String(data))));
    this.ended = once(this.child, 'close').then(([exit]) => {
      this.#add(() => undefined);
      return { exit: exit as number | null, out: this.#out, err: this.#err };
    });
  }

  /** Rejects when the process ends before it has printed that. */
  async printed(text: string): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      const check = () => {
        if (!this.#out.includes(text) && !this.#err.includes(text)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
    const early = this.ended.then(({ exit, out, err }) => {
      if (!`${out}${err}`.includes(text))
        throw new Error(`ended with ${exit} before "${text}": ${out}${err}`);
    });
    await Promise.race([seen, early]);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }

  #add(change: () => void): void {
    change();
    for (const check of this.#waiting) check();
  }
}

export interface WdockdFolder extends AsyncDisposable {
  readonly config: string;
  readonly socket: string;
  readonly path: string;
  /** Starts wdockd here and waits until it is ready. */
  start(): Promise<Running>;
  /** Starts wdockd here, by way of a command that runs another one. */
  spawn(by?: readonly string[]): Running;
  /** Starts the wdockd that is shipped here, with all that stands behind its doors. */
  spawnShipped(): Running;
  wdock(...args: string[]): Running;
}

/**
 * A device's folder with its configuration. `enter`: a command that runs another one elsewhere, e.g. in a namespace.
 * `systemBus`: the address of the bus that it serves; default: none. It leaves this computer's TPM alone.
 */
export async function wdockdFolder(
  name: string,
  listen: { address: string; port: number },
  enter: readonly string[] = [],
  systemBus?: string,
): Promise<WdockdFolder> {
  const folder = await temporaryFolder();
  const config = join(folder.path, 'wdockd.yaml');
  await writeFile(
    config,
    [
      `device: { name: ${name}, class: laptop }`,
      'stateFolder: state',
      'runtimeFolder: run',
      `listen: { address: ${listen.address}, port: ${listen.port} }`,
      `dbus: { serve: ${systemBus !== undefined} }`,
      'identity: { tpm: off }',
      '',
    ].join('\n'),
  );
  const environment =
    systemBus === undefined ? process.env : { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: systemBus };
  const spawnHere = (by: readonly string[] = enter) =>
    new Running([...by, process.execPath, fixture, config], environment);
  return {
    config,
    path: folder.path,
    socket: join(folder.path, 'run', 'wdockd.sock'),
    spawn: spawnHere,
    spawnShipped: () => new Running([...enter, process.execPath, wdockdMain, '--config', config]),
    async start() {
      const running = spawnHere();
      try {
        await running.printed('serving now');
        return running;
      } catch (error) {
        await running[Symbol.asyncDispose]();
        throw error;
      }
    },
    wdock: (...args) => new Running([process.execPath, wdockMain, '--config', config, ...args]),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
