import { describe, expect, it } from 'vitest';
import { Renewal } from '../../../host-plugins/daemon/renewal.ts';

/** All that was begun, and what is under way; each ends when it is told to. */
function daemon() {
  const begun: string[] = [];
  const renewal = new Renewal((why) => begun.push(why));
  const underWay = new Set<Promise<void>>();
  renewal.waitFor(() => [...underWay]);
  const work = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    underWay.add(promise);
    const over = () => void underWay.delete(promise);
    promise.then(over, over);
    return { end: resolve, fail: () => reject(new Error('failed')) };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { renewal, begun, work, settle };
}

describe('a renewal', () => {
  it('waits for what is under way, however that ends, and for what began meanwhile', async () => {
    const { renewal, begun, work, settle } = daemon();
    const first = work();
    renewal.request('a visit is over');
    await settle();
    const second = work();
    first.fail();
    await settle();
    expect(begun).toEqual([]);
    second.end();
    await settle();
    expect(begun).toEqual(['a visit is over']);
  });

  it('is done once, however often it is asked for', async () => {
    const { renewal, begun, settle } = daemon();
    renewal.request('one');
    renewal.request('two');
    await settle();
    expect(begun).toEqual(['one']);
  });
});
