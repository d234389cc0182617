import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { guestLoads, type LoadState } from './load-names.ts';

/** The load that the guest is busy with, as a process of its own: its memory is free at once when it ends. */
export class LoadRunner {
  /** undefined until one was asked for. */
  state: LoadState | undefined;
  readonly #program: string;
  #running: ChildProcessByStdio<Writable, Readable, null> | undefined;

  constructor(program: string) {
    this.#program = program;
  }

  /** Gives the one that runs this speed, or ends it and starts another one. A name that is none of them is left unheard. */
  async start(name: string, speed: number): Promise<void> {
    const load = guestLoads.find((one) => one === name);
    if (load === undefined) return;
    if (load === this.state?.load) {
      this.#running?.stdin.write(`${speed}\n`);
      this.state = { ...this.state, speed };
      return;
    }
    await this.#end();
    this.state = { load, speed, done: 0, finished: load === 'idle' };
    if (load === 'idle') return;
    const child = spawn(process.execPath, ['--max-old-space-size=96', this.#program, load, String(speed)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#running = child;
    // One that has read all there is has ended, and needs to know no speed.
    child.stdin.on('error', () => undefined);
    createInterface(child.stdout).on('line', (line) => {
      if (this.#running === child) this.state = JSON.parse(line) as LoadState;
    });
  }

  async #end(): Promise<void> {
    const child = this.#running;
    this.#running = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
