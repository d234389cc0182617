import { describe, expect, it } from 'vitest';
import { sayNewBridge } from '../../../host-plugins/network/discover.ts';
import { chooseWay, describeWay, type Way } from '../../../host-plugins/network/plan.ts';
import { settleWay } from '../../../host-plugins/network/settle-way.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';

const wired: LinkFacts = { name: 'eth0', kind: 'ethernet', canBridge: true, metered: false, addresses: [] };
const free: LinkFacts = { ...wired, newBridge: { possible: true, name: 'wdbr2' } };
const leased: LinkFacts = { ...wired, newBridge: { possible: false, why: 'its address is a lease' } };
const over: Way = { mode: 'bridged', bridge: 'wdbr2', over: 'eth0' };
const never = new AbortController().signal;

/** As a host has them that makes its bridges, or fails to. */
function bridges(made: string | undefined) {
  return {
    ensure: async () => {
      if (made === undefined) throw new DockError('io', 'the gateway does not answer on wdbr2');
      return made;
    },
    find: async () => made,
  };
}

/** As a host has them on its links, or its kernel has not. */
function ports(obstacle?: string) {
  return { besideObstacle: async () => obstacle };
}

describe('the way beside the host', () => {
  const way: Way = { mode: 'beside', link: 'eth0' };

  it('leads through the interface where the kernel gives it no port, with the reason; so do the steps after it', async () => {
    const without = ports('RTNETLINK answers: Operation not supported');
    const failed = await settleWay(way, bridges(undefined), without, true, never);
    expect(failed.way).toEqual({ mode: 'routed', uplink: 'eth0' });
    expect(failed.shortfalls).toMatchObject([
      {
        requested: describeWay(way),
        actual: 'routed through eth0',
        reason: expect.stringMatching(/eth0.*not supported/),
      },
    ]);
    expect(await settleWay(way, bridges(undefined), without, false, never)).toEqual({
      way: failed.way,
      shortfalls: [],
    });
  });

  it('is taken where the policy leaves the link alone, but for one that is in a bridge', async () => {
    expect(chooseWay('bridged', 'eth0', [free], true)).toEqual(way);
    expect(chooseWay('bridged', 'eth0', [leased], true)).toEqual(way);
    expect(chooseWay('bridged', 'eth0', [{ ...wired, bridge: 'br0' }], true)).toEqual({
      mode: 'bridged',
      bridge: 'br0',
    });
    expect(chooseWay('bridged', 'eth0', [{ ...wired, canBridge: false }], true).mode).toBe('none');
    expect(await settleWay(way, bridges(undefined), ports(), true, never)).toEqual({ way, shortfalls: [] });
  });
});

describe('the way over a bridge that is still to be made', () => {
  it('is none where none can be made, and says why', () => {
    expect(chooseWay('bridged', 'eth0', [leased])).toMatchObject({
      mode: 'none',
      why: expect.stringMatching(/is a lease/),
    });
    expect(sayNewBridge(leased).cannot).toMatch(/eth0: its address is a lease/);
    expect(sayNewBridge({ ...wired, canBridge: false }).cannot).toMatch(/Wi-Fi/);
  });

  it('leads through the interface itself when making it fails, with the reason; so do the steps after it', async () => {
    const failed = await settleWay(over, bridges(undefined), ports(), true, never);
    expect(failed.way).toEqual({ mode: 'routed', uplink: 'eth0' });
    expect(failed.shortfalls).toMatchObject([
      {
        requested: describeWay(over),
        actual: 'routed through eth0',
        reason: expect.stringMatching(/gateway/),
      },
    ]);
    expect(await settleWay(over, bridges(undefined), ports(), false, never)).toEqual({
      way: { mode: 'routed', uplink: 'eth0' },
      shortfalls: [],
    });
  });

  it('throws when the move was cancelled meanwhile', async () => {
    const cancelled = AbortSignal.abort(new DockError('cancelled', 'by its user'));
    await expect(settleWay(over, bridges(undefined), ports(), true, cancelled)).rejects.toThrow(
      'by its user',
    );
  });

  it('leads over an existing bridge first, else over a new one', async () => {
    expect(chooseWay('bridged', 'eth0', [free])).toEqual(over);
    expect(chooseWay('bridged', undefined, [free, { ...wired, name: 'eth1', bridge: 'br0' }])).toEqual({
      mode: 'bridged',
      bridge: 'br0',
    });
    expect(await settleWay(over, bridges('wdbr2'), ports(), true, never)).toEqual({
      way: { mode: 'bridged', bridge: 'wdbr2' },
      shortfalls: [],
    });
    expect(sayNewBridge(free).can).toMatch(/wdbr2 over eth0/);
  });
});
