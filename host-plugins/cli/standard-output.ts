import { exitCodes } from './exit-code.ts';

/**
 * Ends the process when its standard output takes no more: as other programs do when the reader has left
 * (`wdock watch | head`), and as failed when something was lost (a full disk).
 */
export function endWhenOutputFails(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok);
    process.stderr.write(`wdock: standard output cannot be written: ${error.message}\n`);
    process.exit(exitCodes.failed);
  });
  // Nowhere is left to say so; the exit code stays that of the command.
  process.stderr.on('error', () => undefined);
}

/** Resolves when all that was printed is written, or could not be. */
export async function printed(): Promise<void> {
  const written = (stream: NodeJS.WriteStream) =>
    new Promise<void>((resolve) => stream.write('', () => setImmediate(resolve)));
  await Promise.all([written(process.stdout), written(process.stderr)]);
}
