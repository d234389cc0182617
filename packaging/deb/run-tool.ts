import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DockError } from '../../protocol/dock-error.ts';

const run = promisify(execFile);

/** Runs a program that building a package needs. Throws `missing-dependency` with the Debian package that has it. */
export async function runTool(
  argv: readonly string[],
  debianPackage: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const [program = '', ...rest] = argv;
  try {
    const { stdout } = await run(program, rest, {
      env: { ...process.env, LC_ALL: 'C', ...environment },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing
      ? new DockError(
          'missing-dependency',
          `${program} is not there; packages are built on Debian (apt install ${debianPackage})`,
        )
      : new DockError('io', `${argv.join(' ')} failed: ${(error as Error).message}`, { cause: error });
  }
}
