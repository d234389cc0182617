import { constants } from 'node:os';
import { DockError } from '../../protocol/dock-error.ts';
import { withSystemFolders } from './system-path.ts';

/** Each asks to end in good order; what a terminal sends when it is closed is one of them. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** npm passes a Ctrl-C on that the terminal has sent to us as well; a second one so soon is the same press, ms. */
const samePressMs = 500;

/**
 * Runs a program's body: arguments in, and a signal that SIGINT, SIGTERM, SIGHUP and the end of whoever reads the
 * output abort. A failure is its message on standard error and exit status 1, or 2 for a wrong command line (`DockError`
 * of kind `usage`); after an abort one line says who stopped it. A second Ctrl-C ends the program at once.
 */
export async function runMain(body: (argv: string[], signal: AbortSignal) => Promise<void>): Promise<void> {
  // What is started from here finds it by the PATH that it inherits.
  process.env['PATH'] = withSystemFolders(process.env['PATH']);
  const stop = new AbortController();
  let stopped: { readonly by: string; readonly status: number; readonly atMs: number } | undefined;
  const stopBy = (by: string, status: number): void => {
    const atMs = performance.now();
    if (stopped !== undefined) {
      if (atMs - stopped.atMs >= samePressMs) process.exit(status);
      return;
    }
    stopped = { by, status, atMs };
    stop.abort(new DockError('cancelled', `stopped by ${by}`));
  };
  const onSignal = (name: NodeJS.Signals) =>
    stopBy(name === 'SIGINT' ? 'Ctrl-C' : name, 128 + constants.signals[name]);
  for (const name of stopSignals) process.on(name, onSignal);
  // A terminal that is gone refuses each line; the first refusal is enough to stop, and the rest must not end us.
  process.stdout.on('error', () => {
    if (stopped === undefined) stopBy('the end of whoever read its output', 1);
  });
  process.stderr.on('error', () => undefined);
  try {
    await body(process.argv.slice(2), stop.signal);
  } catch (error) {
    process.stderr.write(`${stopped === undefined ? messageOf(error) : afterStop(stopped.by, error)}\n`);
    process.exitCode = stopped?.status ?? (error instanceof DockError && error.kind === 'usage' ? 2 : 1);
  } finally {
    for (const name of stopSignals) process.off(name, onSignal);
  }
}

/** Whatever was interrupted is of no interest then; only what could not be ended is. */
function afterStop(by: string, error: unknown): string {
  const left =
    error instanceof SuppressedError
      ? `not all that was started has ended: ${messageOf(error.error)}`
      : 'all that was started has ended';
  return `stopped by ${by}; ${left}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
