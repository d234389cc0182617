import { readStreamText, readText } from '../../policies/read-text.ts';
import { DockError } from '../../protocol/dock-error.ts';

/** The text of a file that the command line names. Throws `not-found`, or `io` where it cannot be read. */
export async function readInput(file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readText(file, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DockError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DockError('not-found', `there is no file ${file}`, { cause: error });
    if (code === 'EISDIR') throw new DockError('io', `${file} is a folder; name a file`, { cause: error });
    throw new DockError('io', `${file} cannot be read: ${message}`, { cause: error });
  }
}

/** The same, or with `-` standard input to its end. */
export async function readInputOrStandard(file: string, signal: AbortSignal): Promise<string> {
  return file === '-'
    ? await readStreamText(process.stdin, 'standard input', signal)
    : await readInput(file, signal);
}
