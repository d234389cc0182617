import { expect, it } from 'vitest';
import { untilCalm } from '../../../guest-agent/until-calm.ts';

const { signal } = new AbortController();

/** Has this process's one thread from now on, but for short moments; until what it returns is called. */
function keepBusy(): () => void {
  const timer = setInterval(() => {
    const end = performance.now() + 50;
    while (performance.now() < end);
  }, 1);
  return () => clearInterval(timer);
}

it('waits as long as others want the processor, and no longer than it may', async () => {
  const stop = keepBusy();
  try {
    const began = performance.now();
    await untilCalm(400, signal);
    expect(performance.now() - began).toBeGreaterThanOrEqual(400);
  } finally {
    stop();
  }
});

it('waits no longer once nobody wants it', async () => {
  const stop = keepBusy();
  let isCalm = false;
  const calm = untilCalm(60_000, signal).then(() => {
    isCalm = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(isCalm).toBe(false);
  stop();
  await calm;
});

it('ends with the signal', async () => {
  await expect(untilCalm(60_000, AbortSignal.abort())).rejects.toThrow();
});
