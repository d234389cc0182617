import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { DockError } from '../protocol/dock-error.ts';

const run = promisify(execFile);

/**
 * Runs a program to its end, in the C locale. Throws `missing-dependency` where it is not installed, `io` with the
 * first line that it wrote to standard error, `timeout` or `cancelled`.
 */
export async function runProgram(
  argv: readonly [program: string, ...args: string[]],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string> {
  const [program, ...args] = argv;
  const env = { ...process.env, LC_ALL: 'C' };
  try {
    const { stdout } = await run(program, args, { signal, timeout: timeoutMs, maxBuffer: 256 * 1024, env });
    return stdout;
  } catch (cause) {
    if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
    const { code, killed, stderr } = cause as { code?: unknown; killed?: boolean; stderr?: string };
    if (code === 'ENOENT')
      throw new DockError('missing-dependency', `${program} is not installed`, { cause });
    if (killed === true) {
      throw new DockError('timeout', `${program} did not end within ${timeoutMs} ms`, { cause });
    }
    const said = stderr?.trim().split('\n')[0] || `it ended with ${String(code)}`;
    throw new DockError('io', `${argv.join(' ')}: ${said}`, { cause });
  }
}

/** A program that does what it reads from its standard input as that comes, until it is disposed. Whether it could is not known. */
export class ListeningProgram implements Disposable {
  readonly #child;

  constructor([program, ...args]: readonly [program: string, ...args: string[]]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] });
    // Not installed, or ended.
    this.#child.on('error', () => {});
    this.#child.stdin.on('error', () => {});
  }

  say(text: string): void {
    this.#child.stdin.write(text);
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }
}
