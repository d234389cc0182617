import { DockError } from '../../protocol/dock-error.ts';

/** Ctrl-C and SIGTERM as signals: the first asks to end in good order, the second at once; the third kills. */
export function interruptions(): { signal: AbortSignal; impatience: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  const interrupt = (name: NodeJS.Signals) => {
    if (!first.signal.aborted) first.abort(new DockError('cancelled', 'interrupted'));
    else if (!second.signal.aborted) second.abort();
    else {
      // Not exit(): that waits for what the operating system does not give back, such as a file on a server that is gone.
      process.off(name, interrupt);
      process.kill(process.pid, name);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return { signal: first.signal, impatience: second.signal };
}
