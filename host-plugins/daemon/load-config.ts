import { readText } from '../../policies/read-text.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { type DaemonConfig, parseConfig } from './config.ts';

/** Throws `not-found` with an example when the file is not there. */
export async function loadConfig(file: string, signal?: AbortSignal): Promise<DaemonConfig> {
  let text: string;
  try {
    text = await readText(file, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof DockError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new DockError(
        'not-found',
        `there is no configuration ${file}; the smallest one says what this computer is:\ndevice:\n  class: laptop   # or mid, desktop, kiosk`,
        { cause: error },
      );
    }
    throw new DockError('io', `the configuration ${file} cannot be read: ${message}`, { cause: error });
  }
  return parseConfig(text, file);
}
