import { describe, expect, it } from 'vitest';
import { shareBriefly } from '../../../host-plugins/pipeline/share-briefly.ts';
import { DockError } from '../../../protocol/dock-error.ts';

const { signal } = new AbortController();

/** What is read is how often it was read; each read ends when the test says so. */
function reads() {
  const ends: ((error?: Error) => void)[] = [];
  const clock = { now: 0 };
  const shared = shareBriefly(
    () =>
      new Promise<number>((resolve, reject) => {
        const nth = ends.length + 1;
        ends.push((error) => (error === undefined ? resolve(nth) : reject(error)));
      }),
    500,
    () => clock.now,
  );
  return { ends, clock, shared };
}

describe('what several ask for at about the same time', () => {
  it('is read once for all who ask while it is read, and shortly after', async () => {
    const { ends, clock, shared } = reads();
    const [one, other] = [shared(signal), shared(signal)];
    ends[0]?.();
    expect(await Promise.all([one, other])).toEqual([1, 1]);
    clock.now = 500;
    expect(await shared(signal)).toBe(1);
    clock.now = 501;
    const later = shared(signal);
    ends[1]?.();
    expect(await later).toBe(2);
  });

  it('is read anew after it could not be read', async () => {
    const { ends, shared } = reads();
    const failed = shared(signal);
    ends[0]?.(new DockError('io', 'it broke'));
    await expect(failed).rejects.toThrow('it broke');
    const again = shared(signal);
    ends[1]?.();
    expect(await again).toBe(2);
  });

  it('goes on for the others when one of them leaves', async () => {
    const { ends, shared } = reads();
    const leaving = new AbortController();
    const [left, stayed] = [shared(leaving.signal), shared(signal)];
    leaving.abort(new DockError('cancelled', 'no more'));
    await expect(left).rejects.toMatchObject({ kind: 'cancelled' });
    ends[0]?.();
    expect(await stayed).toBe(1);
  });
});
