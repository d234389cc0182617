import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';
import { interruption } from './interruption.ts';
import { lastLines } from './run.ts';
import { spawnFailure } from './spawn-failure.ts';
import { comeBack } from './step-aside.ts';

interface HoldOptions {
  /** Gets each line of its standard output. */
  readonly onLine: (line: string) => void;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a program may say before it ends, kept for the error, bytes. */
const maxErrorText = 4096;
/** setpriv(1), as shells do it. */
const notFoundExit = 127;

/**
 * A program that runs for as long as it is held. Its standard input is a pipe that closes with this process, however that
 * ends, and the kernel sends it SIGTERM then (PR_SET_PDEATHSIG): nothing stays behind.
 */
export class HeldProgram implements AsyncDisposable {
  /** Aborts when it ended without being asked; the reason is a DockError, `missing-dependency` where it is not installed. */
  readonly ended: AbortSignal;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #disposed = false;

  private constructor(child: ChildProcess, command: string) {
    this.#child = child;
    this.#closed = once(child, 'close').catch(() => [null]);
    const ended = new AbortController();
    this.ended = ended.signal;
    let said = '';
    child.stderr?.on('data', (text) => {
      said = `${said}${String(text)}`.slice(-maxErrorText);
    });
    void this.#closed.then(([exitCode]) => {
      if (this.#disposed) return;
      const words = lastLines(said, 4);
      ended.abort(
        exitCode === notFoundExit
          ? spawnFailure(command.split(' ')[0] ?? '', Object.assign(new Error(words), { code: 'ENOENT' }))
          : new DockError('io', `"${command}" ended${words === '' ? '' : `: ${words}`}`),
      );
    });
  }

  static async start(
    argv: readonly string[],
    { onLine, environment }: HoldOptions,
    signal: AbortSignal,
  ): Promise<HeldProgram> {
    const command = argv.join(' ');
    if (signal.aborted) throw interruption(signal, `the start of "${command}"`);
    comeBack();
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...argv], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment, LC_ALL: 'C' },
    });
    child.stdin?.on('error', () => undefined); // a program that ended reads nothing
    const program = new HeldProgram(child, command);
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw spawnFailure('setpriv', error as Error);
    }
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', onLine);
    return program;
  }

  /** To its standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends it, and returns when it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#child.stdin?.end();
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}
