import { DockError } from '../../protocol/dock-error.ts';
import { withSystemFolders } from './system-path.ts';

/**
 * Runs a program's body: arguments in, a signal that SIGINT and SIGTERM abort, and a failure as its message on
 * standard error and exit status 1, or 2 for a wrong command line (`DockError` of kind `usage`).
 */
export async function runMain(body: (argv: string[], signal: AbortSignal) => Promise<void>): Promise<void> {
  // What is started from here finds it by the PATH that it inherits.
  process.env['PATH'] = withSystemFolders(process.env['PATH']);
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => stop.abort(new Error(`stopped by ${name}`));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    await body(process.argv.slice(2), stop.signal);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof DockError && error.kind === 'usage' ? 2 : 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
