import { describe, expect, it } from 'vitest';
import { isOnLan } from '../../../host-plugins/system/network/lost-answers.ts';

const guest = ['10.77.0.50', 'fd77::50'];
const uplink = (...addresses: string[]) => ({ up: true, addresses });

describe('an interface of a host', () => {
  it('is not on the LAN of a guest while it is down, has no address, or has one of another network', () => {
    expect(isOnLan({ up: false, addresses: ['10.77.0.11/24'] }, guest)).toBe(false);
    expect(isOnLan(uplink(), guest)).toBe(false);
    expect(isOnLan(uplink('10.99.0.11/24', 'fd77::11/64'), guest)).toBe(false);
  });

  it('is on it by its IPv4 address, whatever its IPv6 address says', () => {
    expect(isOnLan(uplink('10.77.0.11/24', 'fd77::11/128'), guest)).toBe(true);
  });

  it('is on it by IPv6 where the guest has nothing else', () => {
    expect(isOnLan(uplink('10.99.0.11/24', 'fd77::11/64'), ['fd77::50'])).toBe(true);
    expect(isOnLan(uplink('10.99.0.11/24', 'fd88::11/64'), ['fd77::50'])).toBe(false);
  });
});
