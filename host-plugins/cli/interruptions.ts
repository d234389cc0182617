import { DockError } from '../../protocol/dock-error.ts';

/** Ctrl-C and SIGTERM as signals: the first asks to end in good order, the second at once. */
export function interruptions(): { signal: AbortSignal; impatience: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  const interrupt = () => {
    if (!first.signal.aborted) first.abort(new DockError('cancelled', 'interrupted'));
    else if (!second.signal.aborted) second.abort();
    else process.exit(130);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return { signal: first.signal, impatience: second.signal };
}
