import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from '../network/network-namespace.ts';
import { createOverlay } from './lab-machine.ts';
import type { RestoreOptions } from './restore-main.ts';
import type { SettledState } from './settled-state.ts';

/** The settled guest running on one host of the lab, without wdockd: for tests of the guest and of the lab itself. */
export class SettledGuest implements AsyncDisposable {
  readonly #main: ReturnType<NetworkNamespace['spawn']>;
  readonly #folder: string;

  private constructor(main: ReturnType<NetworkNamespace['spawn']>, folder: string) {
    this.#main = main;
    this.#folder = folder;
  }

  /** @param host one whose bridge `br0` leads to the LAN. Returns when the guest runs. */
  static async start(
    settled: SettledState,
    host: NetworkNamespace,
    signal: AbortSignal,
  ): Promise<SettledGuest> {
    const folder = await mkdtemp(join(tmpdir(), 'wdock-guest-'));
    const tap = 'lab0';
    await host.run(
      ['ip', '-batch', '-'],
      signal,
      `tuntap add ${tap} mode tap vnet_hdr\nlink set ${tap} master br0 up\n`,
    );
    const disk = join(folder, 'disk.qcow2');
    await createOverlay(settled.disk, disk, signal);
    const options: RestoreOptions = {
      machine: { contract: settled.contract, disk, folder, tap, incoming: 'defer' },
      stateFile: settled.stateFile,
    };
    const optionsFile = join(folder, 'options.json');
    await writeFile(optionsFile, JSON.stringify(options));
    const argv = [process.execPath, join(import.meta.dirname, 'restore-main.ts'), optionsFile];
    const main = host.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    const guest = new SettledGuest(main, folder);
    try {
      await guest.#running(signal);
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
    return guest;
  }

  async #running(signal: AbortSignal): Promise<void> {
    let complaint = '';
    this.#main.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const said = once(this.#main.stdout as Readable, 'data', { signal: either });
    const ended = once(this.#main, 'close', { signal: either }).then(() => {
      throw new DockError('io', `the settled guest did not start: ${complaint.trim()}`);
    });
    try {
      await Promise.race([said, ended]);
    } finally {
      over.abort();
      await Promise.allSettled([said, ended]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#main.exitCode === null && this.#main.signalCode === null) {
      const ended = once(this.#main, 'close');
      this.#main.stdin?.end();
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
