import { describe, expect, it } from 'vitest';
import { linkLocalOf } from '../../../guest-agent/decide/ip-address.ts';
import { needsRoot, shows, startAgent, until } from './bound-guest.ts';

const bothFamilies = { ipv4: 'auto', ipv6: 'auto' } as const;

describe.runIf(needsRoot)(
  'IPv6 addresses that the LAN gave, behind a host that routes',
  { concurrent: true, timeout: 120_000 },
  () => {
    it('are kept without the LAN before they are good no more', async () => {
      await using guest = await startAgent(bothFamilies, { minutes: 2 });
      await until(async () => (await guest.network.addresses(6)).length === 2);
      const addresses = await guest.network.addresses(6);
      const routed = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
      expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
      await guest.network.stopDhcp();
      expect(await guest.network.hasOwnAddresses()).toBe(false);
      await until(() => guest.network.hasOwnAddresses());
      await shows(guest, 6, addresses);
      await until(async () => (await guest.network.nextHop('2001:db8::1')) === linkLocalOf(guest.mac));
      expect(await guest.network.nextHop('fd78:0:0:1::77')).toBe(linkLocalOf(guest.mac));
    });

    it('are kept also by an agent that was started again meanwhile', async () => {
      await using guest = await startAgent(bothFamilies);
      await until(async () => (await guest.network.addresses(6)).length === 2);
      const addresses = await guest.network.addresses(6);
      const routed = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
      expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
      await guest.network.stopDhcp();
      expect(await guest.network.hasOwnAddresses()).toBe(false);
      await guest.startAgentAgain();
      await until(() => guest.network.hasOwnAddresses());
      await shows(guest, 6, addresses);
    });
  },
);
