import { DockError } from '../../../protocol/dock-error.ts';
import { packageOfProgram } from './package-of-program.ts';

/** The error for a program that could not even be started (or whose output could not be taken). */
export function spawnFailure(program: string, error: Error & { code?: unknown }): DockError {
  if (error.code === 'ENOENT') {
    const from = packageOfProgram(program);
    return new DockError(
      'missing-dependency',
      `the program "${program}" is not installed${from === undefined ? '' : `; it is in the package ${from}`}`,
      { cause: error, detail: { program } },
    );
  }
  return new DockError('io', `"${program}" could not be run: ${error.message}`, { cause: error });
}
