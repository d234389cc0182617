import { describe, expect, it } from 'vitest';
import {
  decideLanChange,
  type LanMove,
  lanDeviceOf,
  type MoveEnd,
  withoutKept,
} from '../../../host-plugins/pipeline/lan-change.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';

const link = (
  name: string,
  address: string,
  gatewayMac: string,
  more: Partial<LinkFacts> = {},
): LinkFacts => ({
  name,
  kind: 'ethernet',
  canBridge: true,
  metered: false,
  addresses: [`${address}/24`, `${address.startsWith('10.77') ? 'fd00:77' : 'fd00:78'}::11/64`],
  gatewayMac,
  ...more,
});
const end = (name: string, facts: LinkFacts, mode: 'bridged' | 'routed' | 'nat' = 'routed'): MoveEnd => ({
  id: `${name}-id`,
  name,
  profile: { links: [facts] },
  network: { mode, link: facts.name, metered: false },
});

const mid = end('mid', link('wlan0', '10.77.0.11', '52:54:00:77:00:01', { kind: 'wifi', canBridge: false }));
const pc = end('pc', link('eth0', '10.78.0.12', '52:54:00:78:00:01', { bridge: 'br0' }), 'bridged');
const third = end('third', link('eth0', '10.79.0.12', '52:54:00:79:00:01'));
const addresses = ['10.77.0.50/24', 'fd00:77::50/64'];

const move = (more: Partial<LanMove> = {}): LanMove => ({
  from: mid,
  to: pc,
  guestAddresses: addresses,
  before: undefined,
  noAnchor: undefined,
  ...more,
});

describe('a move to another LAN', () => {
  it('ends the open connections where the policy or the host does not keep addresses, and says so', () => {
    const decision = decideLanChange(move({ noAnchor: 'by policy (p.yaml:2 network.anchor)' }));
    expect(decision).toMatchObject({ lanChange: { lan: 'other' }, guestAddresses: [] });
    expect(decision.lanChange?.anchor).toBeUndefined();
    expect(decision.shortfalls).toEqual([
      {
        resource: 'network',
        requested: 'connections of 10.77.0.50, fd00:77::50 stay open',
        actual: 'they end',
        reason: 'by policy (p.yaml:2 network.anchor)',
      },
    ]);
  });

  it('ends them where the addresses are of no LAN of the device that is left', () => {
    const decision = decideLanChange(move({ guestAddresses: ['192.0.2.5/24'] }));
    expect(decision.lanChange).toEqual({ lan: 'other' });
    expect(decision.shortfalls).toMatchObject([{ reason: '"mid" cannot answer for them' }]);
  });

  it('ends them behind a NAT, whose addresses are nobody else’s', () => {
    const behind = end('mid', mid.profile.links[0] as LinkFacts, 'nat');
    const decision = decideLanChange(move({ from: behind }));
    expect(decision.lanChange).toEqual({ lan: 'other' });
    expect(decision.shortfalls).toHaveLength(1);
  });

  it('has the device that is left keep what is of its LAN, IPv4 and IPv6', () => {
    expect(decideLanChange(move({ guestAddresses: [...addresses, '192.0.2.5/24'] }))).toEqual({
      lanChange: { lan: 'other', anchor: { deviceId: 'mid-id', addresses: ['10.77.0.50', 'fd00:77::50'] } },
      guestAddresses: [],
      shortfalls: [],
    });
  });

  it('is one, too, to a device on the same LAN that hides the guest behind a NAT', () => {
    const hidden = end('pc', mid.profile.links[0] as LinkFacts, 'nat');
    expect(decideLanChange(move({ to: hidden })).lanChange?.lan).toBe('other');
  });
});

describe('a move back', () => {
  const before = {
    lan: 'same',
    anchor: { deviceId: 'mid-id', addresses: ['10.77.0.50', 'fd00:77::50'] },
  } as const;
  const guestAddresses = ['10.78.0.50/24', '10.77.0.50/32', 'fd00:77::50/128'];

  it('gives the guest its old addresses again, and keeps those of the LAN that it leaves', () => {
    const change = { ...before, anchor: { ...before.anchor, addresses: [...before.anchor.addresses] } };
    expect(
      decideLanChange({ from: pc, to: mid, guestAddresses, before: change, noAnchor: undefined }),
    ).toEqual({
      lanChange: {
        lan: 'other',
        known: ['10.77.0.50', 'fd00:77::50'],
        anchor: { deviceId: 'pc-id', addresses: ['10.78.0.50'] },
      },
      guestAddresses: ['10.77.0.50/24', 'fd00:77::50/64'],
      shortfalls: [],
    });
    expect(withoutKept(guestAddresses, change)).toEqual(['10.78.0.50/24']);
  });

  it('to a third device gives up what a device before the last one kept', () => {
    const change = { ...before, anchor: { ...before.anchor, addresses: [...before.anchor.addresses] } };
    const decision = decideLanChange({
      from: pc,
      to: third,
      guestAddresses,
      before: change,
      noAnchor: undefined,
    });
    expect(decision.lanChange?.anchor?.addresses).toEqual(['10.78.0.50']);
    expect(decision.shortfalls).toMatchObject([
      { actual: 'they end', reason: 'they are of a third network' },
    ]);
  });
});

describe('a move within a LAN', () => {
  it('changes nothing', () => {
    const other = end('pc', link('eth0', '10.77.0.12', '52:54:00:77:00:01', { bridge: 'br0' }), 'bridged');
    expect(decideLanChange(move({ to: other }))).toEqual({
      lanChange: undefined,
      guestAddresses: addresses,
      shortfalls: [],
    });
    expect(lanDeviceOf(other)).toBe('br0');
  });

  it('is assumed where a host has no link', () => {
    const decision = decideLanChange(move({ to: { ...pc, profile: { links: [] } } }));
    expect(decision).toMatchObject({ lanChange: undefined, guestAddresses: addresses });
  });
});
