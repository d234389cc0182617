import { describe, expect, it } from 'vitest';
import type { LinkFacts } from '../../../protocol/host-profile.ts';
import { sameLan } from '../../../protocol/same-lan.ts';

function link(gatewayMac: string | undefined, ...addresses: string[]): LinkFacts {
  const mac = gatewayMac === undefined ? {} : { gatewayMac };
  return { name: 'eth0', kind: 'ethernet', canBridge: true, metered: false, addresses, ...mac };
}

describe('two links lead to one LAN', () => {
  it('not when their gateways differ, though both have the addresses that every home has', () => {
    expect(
      sameLan(link('02:00:00:00:00:01', '192.168.1.7/24'), link('02:00:00:00:00:02', '192.168.1.8/24')),
    ).toBe(false);
  });

  it('when they have the same gateway, whatever their addresses', () => {
    expect(sameLan(link('02:00:00:00:00:0A', '10.1.0.7/24'), link('02:00:00:00:00:0a', '10.1.1.8/24'))).toBe(
      true,
    );
  });

  it('when one does not know its gateway and they share a subnet of either family', () => {
    const known = link('02:00:00:00:00:01', '10.77.0.11/24', 'fd77::b/64');
    expect(sameLan(known, link(undefined, '10.77.0.12/24'))).toBe(true);
    expect(sameLan(link(undefined, 'fd77:0:0:0:a::c/64'), known)).toBe(true);
    expect(sameLan(known, link(undefined, '10.77.1.12/24', 'fd77:0:0:1::c/64'))).toBe(false);
    expect(sameLan(known, link(undefined, '10.77.0.12/23'))).toBe(false);
  });

  it('not by addresses that are a subnet of their own, of everything, or none at all', () => {
    for (const address of [
      '10.77.0.11/32',
      'fd77::b/128',
      '10.77.0.11/0',
      '10.77.0.11',
      'x/24',
      'fd77::b::/64',
    ]) {
      expect(sameLan(link(undefined, address), link(undefined, address)), address).toBe(false);
    }
    expect(sameLan(link(undefined), link(undefined))).toBe(false);
  });
});
