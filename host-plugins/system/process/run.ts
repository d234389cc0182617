import { type ExecFileException, execFile } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { interruption } from './interruption.ts';
import { spawnFailure } from './spawn-failure.ts';

interface RunOptions {
  /**
   * Written to the program's standard input, which is then closed; parts are written as they come. Without it the
   * input is empty. Parts whose making throws end the program.
   */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** The program is killed after this many milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly cwd?: string;
  /** Added to the environment of this process. `LC_ALL=C` is always set: outputs are parsed. */
  readonly environment?: Readonly<Record<string, string>>;
}

interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** An output longer than this is an error, bytes. */
const maxOutputBytes = 32 * 1024 * 1024;

/**
 * Runs a program to its end, without a shell. Rejects with `missing-dependency` when the program is not
 * installed, `timeout`, `cancelled`, or `io` when it ends with anything but exit code 0; the message then has
 * the command and the last lines of its error output, the detail `{ exitCode, stderr }`. After a timeout or
 * an abort the program has been sent SIGKILL.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program, ...rest] = argv;
  if (program === undefined) throw new DockError('internal', 'run() needs a program');
  const command = argv.join(' ');
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  if (signal.aborted) throw interruption(signal, `the end of "${command}"`);

  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const child = execFile(
    program,
    rest,
    {
      signal,
      killSignal: 'SIGKILL',
      maxBuffer: maxOutputBytes,
      encoding: 'utf8',
      env: { ...process.env, ...options.environment, LC_ALL: 'C' },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
    (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else if (signal.aborted) reject(interruption(signal, `the end of "${command}"`));
      else reject(runFailure(program, command, error, stderr));
    },
  );
  // A program that ends without reading its input closes the pipe: its exit code says how that went, not
  // EPIPE.
  child.stdin?.on('error', () => {});
  const { input = '' } = options;
  if (typeof input === 'string' || input instanceof Uint8Array) child.stdin?.end(input);
  else if (child.stdin !== null)
    pipeline(
      untilFailing(input, () => child.kill('SIGKILL')),
      child.stdin,
    ).catch(() => undefined);
  return await promise;
}

/** A program is killed before its input ends: it would take that for the end of all there is, and be content. */
async function* untilFailing(
  parts: AsyncIterable<Uint8Array>,
  onFailure: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* parts;
  } catch (error) {
    onFailure();
    throw error;
  }
}

function runFailure(program: string, command: string, error: ExecFileException, stderr: string): DockError {
  if (typeof error.code === 'string') return spawnFailure(program, error);
  const how = error.signal ? `was killed by ${error.signal}` : `failed (exit code ${error.code ?? '?'})`;
  const said = lastLines(stderr, 6);
  return new DockError('io', `"${command}" ${how}${said === '' ? '' : `: ${said}`}`, {
    cause: error,
    detail: { exitCode: error.code, stderr: stderr.slice(-4096) },
  });
}

export function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n');
}
