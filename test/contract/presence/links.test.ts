import { describe, expect, it, onTestFinished } from 'vitest';
import { TwoAvahis } from './two-avahis.ts';

const mayMakeNamespaces = process.getuid?.() === 0;

async function twoComputers(): Promise<TwoAvahis> {
  const two = await TwoAvahis.start();
  onTestFinished(() => two[Symbol.asyncDispose]());
  return two;
}

describe.skipIf(!mayMakeNamespaces)('two computers on one cable', () => {
  it('are connected where they hear each other, measure the link, and say when it is lost and found', async () => {
    const two = await twoComputers();
    await two.trust('mid', 'pc'); // at an address that nobody has
    await two.trust('pc', 'mid');
    const mid = two.observe('mid', 'links');
    two.observe('pc', 'links');
    const device = two.ids.get('pc') ?? '';
    const link = await mid.saw({ kind: 'link', device, medium: 'ethernet', lossShare: 0 });
    expect(link['rttMs']).toBeGreaterThan(0);
    expect(link['signalDbm']).toBeUndefined();
    let from = mid.told.length;
    await two.setCable('pc', 'down');
    await mid.saw({ kind: 'link-lost', device }, from);
    const missed = mid.told
      .slice(from)
      .filter((each) => each['kind'] === 'link' && each['rttMs'] === undefined);
    expect(missed.length).toBeGreaterThan(0);
    from = mid.told.length;
    await two.setCable('pc', 'up');
    await mid.saw({ kind: 'link', device, medium: 'ethernet' }, from);
  });

  it('each see when the cable is pulled at the other end, and plugged in again', async () => {
    const two = await twoComputers();
    const mid = two.observeCable('mid');
    await mid.saw({ name: 'cable', detail: 'eth0 (plugged)' });
    await mid.saw({ kind: 'cable', plugged: true });
    await two.setCable('pc', 'down');
    await mid.saw({ kind: 'cable', plugged: false });
    const from = mid.told.length;
    await two.setCable('pc', 'up');
    await mid.saw({ kind: 'cable', plugged: true }, from);
  });
});
