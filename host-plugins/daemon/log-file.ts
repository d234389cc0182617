import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import pino, { type DestinationStream, type Level, type Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { whyNotWritable } from './own-folder.ts';

/** The log starts anew at this size, bytes; two older ones are kept, `.1` and `.2`. */
const rotateAtBytes = 8 * 1024 * 1024;

/** A log file of bounded size, for `wdock logs`; written at once, so that a crash loses no line. Throws `io`. */
export function openLogFile(path: string): DestinationStream & { close(): void } {
  const file = openOrThrow(path);
  let size = sizeOf(path);
  return {
    write(line: string) {
      if (size > rotateAtBytes) {
        rename(`${path}.1`, `${path}.2`);
        rename(path, `${path}.1`);
        file.reopen();
        size = 0;
      }
      size += Buffer.byteLength(line);
      file.write(line);
    },
    close: () => file.end(),
  };
}

function openOrThrow(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    return pino.destination({ dest: path, sync: true, mode: 0o640 });
  } catch (error) {
    throw new DockError(
      'io',
      `the log ${path} cannot be written: ${whyNotWritable(error)}; mend that, and start wdockd again`,
      {
        cause: error,
      },
    );
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function rename(from: string, to: string): void {
  if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to);
}

/** JSON lines to stdout, where systemd's journal picks them up, and to the file. */
export function createLog(level: Level, streams: readonly DestinationStream[], device: string): Logger {
  return pino(
    {
      level,
      base: { device },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.multistream(streams.map((stream) => ({ stream, level }))),
  );
}
