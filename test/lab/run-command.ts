import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { interruption } from '../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../protocol/dock-error.ts';

export interface CommandOptions {
  /** Called for each line of standard output and standard error, as it comes. */
  onLine?: (line: string) => void;
  input?: string;
  environment?: Readonly<Record<string, string>>;
}

const keptErrorLines = 20;

/**
 * Runs a program to its end and returns its standard output.
 * @throws DockError `missing-dependency` where the program is not there, `io` where it fails (the message has the
 *   last lines of its standard error), `cancelled` after the program was killed on abort.
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
): Promise<string> {
  const [program = '', ...rest] = argv;
  if (signal.aborted) throw interruption(signal, `the end of ${program}`);
  const child = spawn(program, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', ...options.environment },
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', (error) => {
      const hint = 'run packaging/setup.sh, which installs what is needed';
      reject(new DockError('missing-dependency', `cannot start ${program}; ${hint}`, { cause: error }));
    });
    child.once('close', (code, killedBy) => {
      if (code === 0) resolve(stdout);
      else if (signal.aborted) reject(interruption(signal, `the end of "${argv.join(' ')}"`));
      else
        reject(new DockError('io', `${argv.join(' ')} ended with ${killedBy ?? code}: ${stderr.join('\n')}`));
    });
  });
  let stdout = '';
  const stderr: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  createInterface(child.stderr).on('line', (line) => {
    stderr.push(line);
    if (stderr.length > keptErrorLines) stderr.shift();
    options.onLine?.(line);
  });
  if (options.onLine) createInterface(child.stdout).on('line', options.onLine);
  const kill = () => child.kill('SIGTERM');
  signal.addEventListener('abort', kill, { once: true });
  // A program that does not read its input is no failure; that it failed is said by its exit status.
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  try {
    return await ended;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
