import { describe, expect, it } from 'vitest';
import {
  leaveToTakers,
  recallAddresses,
  rememberAddresses,
} from '../../../host-plugins/pipeline/addresses-here.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';

const wifi: LinkFacts = {
  name: 'wlan0',
  kind: 'wifi',
  canBridge: false,
  metered: false,
  addresses: ['192.0.2.11/24', '2001:db8:77::11/64'],
  gatewayMac: '52:54:00:00:00:01',
};
const { gatewayMac: _, ...unknownLan } = wifi;
const own = ['192.0.2.50/24', '2001:db8:77::50/64'];

describe('the addresses that a guest had on the LAN of a device', () => {
  it('are not remembered where they are of another network, or where nobody knows which LAN it is', () => {
    expect(rememberAddresses(wifi, ['198.51.100.7/24'])).toBe(undefined);
    expect(rememberAddresses(unknownLan, own)).toBe(undefined);
    expect(rememberAddresses(undefined, own)).toBe(undefined);
  });

  it('are not taken for its addresses on another LAN that has the same subnet', () => {
    const remembered = rememberAddresses(wifi, own);
    expect(recallAddresses({ ...wifi, gatewayMac: '52:54:00:00:00:02' }, remembered)).toEqual([]);
    expect(recallAddresses(unknownLan, remembered)).toEqual([]);
    expect(recallAddresses(wifi, undefined)).toEqual([]);
  });

  it('are left to another computer that has got them since, and all with the one of IPv4', () => {
    const mac = '52:54:00:00:00:99';
    const withoutIPv6 = leaveToTakers(own, new Map([['2001:db8:77::50', mac]]));
    expect(withoutIPv6.addresses).toEqual(['192.0.2.50/24']);
    expect(withoutIPv6.shortfalls).toMatchObject([
      { resource: 'network', actual: 'without that address', reason: expect.stringContaining(mac) },
    ]);
    const withoutIPv4 = leaveToTakers(own, new Map([['192.0.2.50', mac]]));
    expect(withoutIPv4.addresses).toEqual([]);
    expect(withoutIPv4.shortfalls).toMatchObject([{ requested: expect.stringContaining('192.0.2.50') }]);
    expect(leaveToTakers(own, new Map())).toEqual({ addresses: own, shortfalls: [] });
  });

  it('are its own again when it comes back', () => {
    const remembered = rememberAddresses(wifi, [...own, '198.51.100.7/24']);
    expect(recallAddresses(wifi, remembered)).toEqual(own);
  });
});
