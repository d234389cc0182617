import { DockError } from '../protocol/dock-error.ts';

/** Settles as `work` does, or rejects with the reason of the first signal that is aborted. */
export function withinSignals<T>(work: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => {
      for (const signal of signals) signal.removeEventListener('abort', fail);
    };
    const fail = (): void => {
      stop();
      reject(DockError.from(signals.find((signal) => signal.aborted)?.reason, 'cancelled'));
    };
    for (const signal of signals) signal.addEventListener('abort', fail);
    if (signals.some((signal) => signal.aborted)) fail();
    work.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error: unknown) => {
        stop();
        reject(error instanceof Error ? error : DockError.from(error));
      },
    );
  });
}
