import { describe, expect, it } from 'vitest';
import { addressesAtStart, decideAtStart } from '../../../host-plugins/pipeline/network-at-start.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';

const wifi: LinkFacts = {
  name: 'wlan0',
  kind: 'wifi',
  canBridge: false,
  metered: false,
  addresses: ['192.168.1.11/24'],
  gatewayMac: '52:54:00:00:00:01',
};
const own = ['192.168.1.50/24', '2001:db8:77::50/128'];
const addressesHere = { gatewayMac: '52:54:00:00:00:01', addresses: own };
const routed = { mode: 'routed', metered: false } as const;
const nobody = new Map<string, string>();

describe('the addresses of a guest that starts', () => {
  it('are none on another LAN, and for a guest that never had one', () => {
    expect(addressesAtStart({ ...wifi, addresses: ['10.0.0.11/24'] }, { guestAddresses: own })).toEqual([]);
    expect(addressesAtStart(wifi, { guestAddresses: [] })).toEqual([]);
  });

  it('are none on another LAN that has the same subnet', () => {
    const cafe = { ...wifi, gatewayMac: '52:54:00:00:00:02' };
    expect(addressesAtStart(cafe, { guestAddresses: own, addressesHere })).toEqual([]);
  });

  it('are those that it had here, also where it was behind a host meanwhile', () => {
    expect(addressesAtStart(wifi, { guestAddresses: ['192.168.200.2/24'], addressesHere })).toEqual(own);
  });

  it('are those that it has, all of them, where nothing else is known of this LAN', () => {
    expect(addressesAtStart(wifi, { guestAddresses: own })).toEqual(own);
    const { gatewayMac: _, ...unknown } = wifi;
    expect(addressesAtStart(unknown, { guestAddresses: own, addressesHere })).toEqual(own);
  });
});

describe('the network of a guest that starts', () => {
  it('is behind its host where it would be routed to and has no address, or another computer has it, and says why', () => {
    const without = decideAtStart(routed, [], nobody);
    expect(without).toMatchObject({ network: { mode: 'nat' }, guestAddresses: [] });
    expect(without.hidden).toMatch(/no address on this network/);
    const taken = decideAtStart(routed, own, new Map([['192.168.1.50', '52:54:00:00:00:99']]));
    expect(taken).toMatchObject({ network: { mode: 'nat' }, guestAddresses: [] });
    expect(taken.hidden).toMatch(/192\.168\.1\.50 .*52:54:00:00:00:99/);
  });

  it('stays bridged, where the LAN itself gives it another address', () => {
    const bridged = { ...routed, mode: 'bridged' } as const;
    const taken = new Map([['192.168.1.50', '52:54:00:00:00:99']]);
    expect(decideAtStart(bridged, own, taken)).toEqual({
      ...{ network: bridged, guestAddresses: [], hidden: undefined },
    });
  });

  it('is as chosen with the addresses that nobody else has', () => {
    expect(decideAtStart(routed, own, nobody)).toEqual({
      ...{ network: routed, guestAddresses: own, hidden: undefined },
    });
    const one = decideAtStart(routed, own, new Map([['2001:db8:77::50', '52:54:00:00:00:99']]));
    expect(one).toMatchObject({ network: routed, guestAddresses: ['192.168.1.50/24'] });
  });
});
