/**
 * Time between two signs of life of everything that flows, ms; silences are known to about this. Each wake-up costs an
 * emulated guest up to a millisecond, whatever it does then.
 */
export const paceMs = 25;

const paced = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

/** Calls this at the pace that all share, so that a program wakes up once for all of them; until what is returned is called. */
export function keepPace(step: () => void): () => void {
  paced.add(step);
  timer ??= setInterval(() => {
    for (const each of paced) each();
  }, paceMs);
  return () => {
    paced.delete(step);
    if (paced.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}
