import { describe, expect, it } from 'vitest';
import { recallAddresses, rememberAddresses } from '../../../host-plugins/pipeline/addresses-here.ts';
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

  it('are its own again when it comes back', () => {
    const remembered = rememberAddresses(wifi, [...own, '198.51.100.7/24']);
    expect(recallAddresses(wifi, remembered)).toEqual(own);
  });
});
