import { isIPv4, isIPv6 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { lanA, lanB, planHosts, slaacAddress } from '../../lab/network/address-plan.ts';

describe('the address that a card makes of a prefix', () => {
  it('turns the bit that says that the hardware address is a universal one', () => {
    expect(slaacAddress('fd00:77::', '52:54:00:77:00:50')).toBe('fd00:77::5054:ff:fe77:50');
    expect(slaacAddress('fe80::', '00:16:3e:00:00:01')).toBe('fe80::216:3eff:fe00:1');
  });
});

describe('the hosts of a layout', () => {
  it.each(['lan', 'two-lans'] as const)('have addresses of their own in %s', (layout) => {
    const hosts = planHosts(layout);
    for (const of of ['name', 'mac', 'address', 'address6'] as const) {
      expect(new Set(hosts.map((host) => host[of])).size).toBe(hosts.length);
    }
    for (const { address, address6, lan } of hosts) {
      expect(isIPv4(address) && address.startsWith(lan.router.replace(/1$/, ''))).toBe(true);
      expect(isIPv6(address6) && address6.startsWith(lan.prefix6)).toBe(true);
    }
  });

  it('are all on one LAN, or the PC and a client on another', () => {
    expect(planHosts('lan').map(({ lan }) => lan)).toEqual([lanA, lanA, lanA]);
    const onB = planHosts('two-lans').filter(({ lan }) => lan === lanB);
    expect(onB.map(({ name }) => name)).toEqual(['pc', 'client-b']);
  });
});
