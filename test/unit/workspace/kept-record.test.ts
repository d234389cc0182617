import { describe, expect, it } from 'vitest';
import { KeptRecord } from '../../../host-plugins/workspace/kept-record.ts';
import type { WorkspaceRecord } from '../../../protocol/workspace.ts';

const before = { name: 'work', savedState: '/state/first', guestAddresses: [] } as unknown as WorkspaceRecord;

/** Stores as slowly as it is told to. */
function slowDisk() {
  const stored: WorkspaceRecord[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const record = new KeptRecord(
    before,
    (value) =>
      new Promise((resolve, reject) => {
        waiting.push((error) => {
          if (error !== undefined) return reject(error);
          stored.push(value);
          resolve();
        });
      }),
  );
  const next = async (error?: Error): Promise<void> => {
    await expect.poll(() => waiting.length).toBeGreaterThan(0);
    waiting.shift()?.(error);
  };
  return { record, stored, next };
}

describe("a workspace's record", () => {
  it('does not get back what one change took away by another that was asked for before it was stored', async () => {
    const { record, stored, next } = slowDisk();
    const changes = [
      record.change(({ savedState: _, ...rest }) => rest),
      record.change((known) => ({ ...known, guestAddresses: ['192.0.2.5/24'] })),
    ];
    await next();
    await next();
    await Promise.all(changes);
    expect(stored.at(-1)).toEqual({ name: 'work', guestAddresses: ['192.0.2.5/24'] });
    expect(record.value).toEqual(stored.at(-1));
  });

  it('is as it was where a change cannot be stored, and the next one is made', async () => {
    const { record, stored, next } = slowDisk();
    const lost = record.change((known) => ({ ...known, guestAddresses: ['192.0.2.5/24'] }));
    const made = record.change((known) => ({ ...known, wanted: 'running' }));
    await Promise.all([
      expect(lost).rejects.toThrow('no space left'),
      next(new Error('no space left')).then(() => next()),
    ]);
    await made;
    expect(stored).toEqual([{ ...before, wanted: 'running' }]);
    expect(record.value).toEqual({ ...before, wanted: 'running' });
  });
});
