import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Sent } from './tunnel-device.ts';
import { TwoWays, type Way, ways } from './two-ways.ts';

vi.setConfig({ testTimeout: 120_000 }); // processes, namespaces and cuts, on a machine that may be busy

const mebibyte = 1024 ** 2;

/** What came over a channel, and how it stands. */
interface Arrived {
  readonly bytes: number;
  readonly state: string;
  readonly sha256?: string;
}

async function expectWhole(two: TwoWays, job: string, channel: string, bytes: number): Promise<Sent> {
  const sent = await two.mid.call<Sent>('finish', job);
  expect(sent.error).toBeUndefined();
  expect(await two.pc.call<Arrived>('sink', channel)).toEqual({ bytes, state: 'ended', sha256: sent.sha256 });
  return sent;
}

describe('a session over two ways', () => {
  it('ends its channels with a clear word when no way comes back within its patience', async () => {
    await using two = await TwoWays.create({ patienceMs: 3_000 });
    const { mid, pc } = two;
    await two.shape('eth0', 100);
    await mid.call('send', 'job', pc.self.id, 'bulk/x', 512 * mebibyte, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    await two.cut(...ways);
    expect((await mid.call<Sent>('finish', 'job')).error).toMatchObject({
      kind: 'peer-gone',
      message: expect.stringMatching(/"pc" could not be reached for 3 s/),
    });
    expect(await mid.facts()).toBeUndefined();
  });

  it('ends when the other wdockd was killed and started anew, which does not know it', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    await mid.call('send', 'job', pc.self.id, 'bulk/x', 4096 * mebibyte, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    await pc.kill();
    await pc.start();
    expect((await mid.call<Sent>('finish', 'job')).error).toMatchObject({
      kind: 'peer-gone',
      message: expect.stringMatching(/started anew/),
    });
    await mid.call('send', 'again', pc.self.id, 'bulk/y', mebibyte, 'bulk');
    await expectWhole(two, 'again', 'bulk/y', mebibyte);
  });

  it('ends at once when the other device trusts this one no more', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    await mid.call('send', 'job', pc.self.id, 'bulk/x', 4096 * mebibyte, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    await pc.call('forget', 'mid');
    expect(await pc.facts()).toBeUndefined();
    expect((await mid.call<Sent>('finish', 'job')).error?.message).toMatch(
      /not trusted any more|does not know this device/,
    );
  });

  it('goes on where it was after both were cut off, and sends little of it again', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    const bytes = 48 * mebibyte;
    // Most of it is still to come when they are cut, however long the cutting takes.
    for (const way of ways) await two.shape(way, 10);
    await mid.call('send', 'job', pc.self.id, 'bulk/x', bytes, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    await two.cut(...ways);
    await two.until(({ links }) => links.length === 0);
    for (const way of ways) await two.shape(way, 100);
    await two.restore();
    await expectWhole(two, 'job', 'bulk/x', bytes);
    const { resentBytes } = await two.until(() => true);
    expect(resentBytes).toBeGreaterThan(0);
    expect(resentBytes).toBeLessThan(8 * mebibyte);
  });

  it('finds the second way by itself, and spreads what it sends over both', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    for (const way of ways) await two.shape(way, 100);
    const bytes = 32 * mebibyte;
    await mid.call('send', 'first', pc.self.id, 'bulk/x', bytes, 'bulk');
    await two.until(({ links }) => links.length === 2);
    await expectWhole(two, 'first', 'bulk/x', bytes);
    await mid.call('send', 'job', pc.self.id, 'bulk/y', bytes, 'bulk');
    await expectWhole(two, 'job', 'bulk/y', bytes);
    const { links } = await two.until(() => true);
    const carried = links.map(({ deliveredBytes }) => deliveredBytes);
    expect(links.map(({ remote }) => remote).toSorted()).toEqual(['10.91.0.2', '10.92.0.2']);
    expect(Math.min(...carried) / Math.max(...carried)).toBeGreaterThan(0.2);
  });

  it('takes to a cable that is put in while it carries', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    await two.pull('eth1');
    // Most of it is still to come when that happens.
    await two.shape('eth0', 10);
    const bytes = 48 * mebibyte;
    await mid.call('send', 'job', pc.self.id, 'bulk/x', bytes, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    await two.plugIn('eth1');
    await two.shape('eth1', 100);
    await two.until(({ links }) => links.length === 2);
    await expectWhole(two, 'job', 'bulk/x', bytes);
  });

  it.each<[string, (two: TwoWays) => Promise<void>]>([
    ['falls silent', (two) => two.cut('eth0')],
    ['loses its cable', (two) => two.pull('eth0')],
  ])('needs no more than the other way when one of them %s', async (_how, harm) => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    // Most of it is still to come when that happens.
    for (const way of ways) await two.shape(way, 10);
    const bytes = 48 * mebibyte;
    await mid.call('send', 'job', pc.self.id, 'bulk/x', bytes, 'bulk');
    await two.until(({ links }) => links.length === 2);
    await harm(two);
    await two.shape('eth1', 100);
    await expectWhole(two, 'job', 'bulk/x', bytes);
    const { links } = await two.until((facts) => facts.links.length === 1);
    expect(links[0]?.remote).toBe('10.92.0.2');
  });

  it('delivers every byte while its ways come and go at random', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    for (const way of ways) await two.shape(way, 50);
    const bytes = 64 * mebibyte;
    let seed = 20_261_129;
    const random = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
      return seed / 0x8000_0000;
    };
    await mid.call('send', 'job', pc.self.id, 'bulk/x', bytes, 'bulk');
    await two.untilArrived('bulk/x', mebibyte);
    for (let flap = 0; flap < 8; flap++) {
      const which: Way[] = random() < 0.3 ? [...ways] : [random() < 0.5 ? 'eth0' : 'eth1'];
      await two.cut(...which);
      await delay(300 + random() * 3_000);
      await two.restore();
      await delay(random() * 1_000);
    }
    await expectWhole(two, 'job', 'bulk/x', bytes);
  });
});

describe('many channels in one session', () => {
  it('leave nothing behind, thousands of them', async () => {
    await using two = await TwoWays.create({ ways: ['eth0'] });
    const { mid, pc } = two;
    await mid.call('openAndClose', pc.self.id, 3_000);
    for (const device of [mid, pc]) await two.until(({ channelCount }) => channelCount === 0, device);
  });

  it('do not wait for a bulk channel that takes all of the way', async () => {
    await using two = await TwoWays.create({ ways: ['eth0'] });
    const { mid, pc } = two;
    await two.shape('eth0', 70);
    await mid.call('send', 'job', pc.self.id, 'bulk/x', 4096 * mebibyte, 'bulk');
    await two.untilArrived('bulk/x', 4 * mebibyte);
    const times = await mid.call<number[]>('echo', pc.self.id, 20, 50);
    const median = times.toSorted((a, b) => a - b)[10] ?? Number.NaN;
    // what the session may have under way takes the way for that long
    expect(median).toBeLessThan((8 * mebibyte) / (70e6 / 8 / 1_000));
  });
});

describe('a call between devices that told each other where they are', () => {
  it('goes by the second way when the one that it was given falls silent', async () => {
    await using two = await TwoWays.create();
    const { mid, pc } = two;
    expect(await mid.call('askName', pc.self.id, 0)).toBe('mid');
    await two.cut('eth0');
    expect(await mid.call('askName', pc.self.id, 30_000)).toBe('mid');
  });
});
