import { type ChildProcess, execFile, spawn } from 'node:child_process';
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

/** For nice(1): comes before what else runs, where this process may say so, for as short as it takes. */
const beforeOthers = ['-n', '-20'] as const;

type Argv = readonly [program: string, ...args: string[]];

export interface ReactionParts {
  /** Prints a line for what happens. */
  readonly watch: Argv;
  /** For sh(1): reads such lines, and prints what is to be done. */
  readonly react: string;
  /** `$1` and so on of that. */
  readonly args: readonly string[];
  /** Does what it reads, as it comes. */
  readonly act: Argv;
}

/**
 * Programs that act as soon as something happens, also while this process has no time: one that tells of it, a shell, and one
 * that acts. Until it is disposed, or this process ends; whether they could is not known.
 */
export class Reaction implements Disposable {
  readonly #watch;
  readonly #act;
  #hasEnded = false;

  constructor({ watch, react, args, act }: ReactionParts) {
    this.#act = spawn('nice', [...beforeOthers, ...act], { stdio: ['pipe', 'ignore', 'ignore'] });
    // The other two end with it, and it with this process.
    const mortal = ['setpriv', '--pdeathsig', 'KILL', '--', ...watch];
    this.#watch = spawn('nice', [...beforeOthers, ...mortal], { stdio: ['ignore', 'pipe', 'ignore'] });
    const programs: ChildProcess[] = [this.#act, this.#watch];
    if (programs.every(({ pid }) => pid !== undefined)) {
      const stdio = [this.#watch.stdout, this.#act.stdin, 'ignore'] as const;
      const shell = ['sh', '-c', react, 'sh', ...args];
      programs.push(spawn('nice', [...beforeOthers, ...shell], { stdio: [...stdio] }));
    }
    // The shell has this end of its own; nothing is read here, which would keep it open for ever.
    this.#watch.stdout.destroy();
    // Not installed, or ended.
    const onEnd = (): void => {
      this.#hasEnded = true;
    };
    for (const program of programs) program.on('error', onEnd).on('exit', onEnd);
    this.#act.stdin.on('error', () => {});
  }

  /** Process number of the one that tells; undefined where it was not started. */
  get watcher(): number | undefined {
    return this.#watch.pid;
  }

  /** One of the programs is not there any more, so nothing is done by itself. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Has something done that nothing has happened for. */
  act(text: string): void {
    this.#act.stdin.write(text);
  }

  [Symbol.dispose](): void {
    this.#watch.kill('SIGKILL');
    this.#act.stdin.end();
  }
}
