import { describe, expect, it } from 'vitest';
import { linkLocalOf } from '../../../guest-agent/decide/ip-address.ts';
import { type BoundGuest, needsRoot, otherHost, shows, startAgent, until } from './bound-guest.ts';
import type { LanChanges } from './network-fixture.ts';
import { OpenConnection } from './open-connection.ts';

const bothFamilies = { ipv4: 'auto', ipv6: 'auto' } as const;

/** A server of names that is only there for who is on the link is lost behind a host that routes. */
const keptAtOnce = ['where its addresses are kept at once', { serverOfLink: 'only' }] as const;
const keptLater = ['where its addresses are kept later', {}] as const;

/** Starts with the address that the guest made itself and the one that DHCPv6 gave. */
async function startWithIPv6(lan?: LanChanges): Promise<BoundGuest & { readonly own: string }> {
  const guest = await startAgent(bothFamilies, lan);
  await until(async () => (await guest.network.addresses(6)).length === 2);
  const own = (await guest.network.addresses(6)).find((one) => one.endsWith('/64')) as string;
  return Object.assign(guest, { own: own.replace('/64', '') });
}

describe.runIf(needsRoot)(
  "the guest's IPv6, re-bound by the real NetworkManager",
  { timeout: 60_000 },
  () => {
    it.each([keptAtOnce, keptLater])(
      'keeps the addresses when NetworkManager is started again behind a host that routes, where no router is heard, %s',
      async (_, lan) => {
        await using guest = await startWithIPv6(lan);
        const addresses = await guest.network.addresses(6);
        const wish = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
        expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
        await guest.network.stopDhcp();
        await guest.network.stopManager();
        await guest.network.startManager();
        await until(async () => (await guest.host.call('apply-network', wish)).problems.length === 0);
        await shows(guest, 6, addresses);
        expect(await guest.network.nextHop('fd78:0:0:1::1')).toBe(linkLocalOf(guest.mac));
      },
    );

    it('lets go of addresses that the LAN gives no more', async () => {
      await using guest = await startWithIPv6(keptAtOnce[1]);
      await guest.host.call('apply-network', {
        mode: 'routed',
        metered: true,
        dhcp: true,
        hostMac: guest.mac,
      });
      await guest.network.stopDhcp();
      await guest.network.startDhcp('home', { prefix: 'fd79:2::' });
      await guest.host.call('apply-network', { mode: 'bridged', metered: false, hostMac: otherHost });
      await until(async () => {
        const addresses = await guest.network.addresses(6);
        return addresses.length === 2 && addresses.every((one) => one.startsWith('fd79:2:'));
      });
    });

    it('goes the way of its host before NetworkManager answers, with its neighbours known until then', async () => {
      await using guest = await startWithIPv6();
      const client = 'fd78:0:0:1::1';
      const wish = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
      await using connection = await OpenConnection.open(
        guest.network.guest,
        `[${guest.own}]`,
        guest.network.lan(),
        `[${client}]`,
      );
      guest.network.holdManager(true);
      const asked = guest.host.call('apply-network', wish);
      await until(async () => (await guest.network.nextHop(client)) === linkLocalOf(guest.mac));
      expect(await guest.network.neighbour(client)).toBe(guest.mac);
      await connection.echo('while it says nothing\n');
      guest.network.holdManager(false);
      expect(await asked).toEqual({ problems: [] });
      // And back, where the old way goes as soon.
      guest.network.holdManager(true);
      const askedBack = guest.host.call('apply-network', { ...wish, mode: 'bridged', hostMac: otherHost });
      await until(async () => (await guest.network.nextHop(client)) === '');
      await connection.echo('nor now\n');
      guest.network.holdManager(false);
      expect(await askedBack).toEqual({ problems: [] });
    });

    it('is led through the host while names are asked of IPv4 first, where the server of IPv6 is only there for the link', async () => {
      await using guest = await startWithIPv6({ serverOfLink: 'beside' });
      await until(async () => (await guest.network.nameservers()).length === 2);
      const [first, second] = await guest.network.nameservers();
      expect(first).toBe('10.78.0.1');
      expect(second).toMatch(/^fe80:/);
      const wish = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
      expect(await guest.host.call('apply-network', wish)).toEqual({ problems: [] });
      expect(await guest.network.hasOwnAddresses()).toBe(false);
    });

    it.each([{}, { serverOfLink: 'beside' }] as const)(
      'is the same all the time, on a trip to a routing host and back, on a LAN with %j',
      async (lan) => {
        await using guest = await startWithIPv6(lan);
        await using monitor = guest.network.watchAddresses();
        for (let trips = 0; trips < 2; trips++) {
          const routed = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
          expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
          expect(await guest.network.nextHop('fd78:0:0:1::77')).toBe(linkLocalOf(guest.mac));
          expect(await guest.network.nextHop('2001:db8::1')).toBe(linkLocalOf(guest.mac));
          const bridged = { mode: 'bridged', metered: false, hostMac: otherHost } as const;
          expect(await guest.host.call('apply-network', bridged)).toEqual({ problems: [] });
          expect(await guest.network.nextHop('fd78:0:0:1::77')).toBe('');
        }
        expect(monitor.lines.filter((line) => line.startsWith('Deleted'))).toEqual([]);
      },
    );

    it.each([keptAtOnce, keptLater])(
      'stays with every connection open, from a bridge to a routing host and back, %s',
      async (_, lan) => {
        await using guest = await startWithIPv6(lan);
        const addresses = await guest.network.addresses(6);
        await using connection = await OpenConnection.open(
          guest.network.guest,
          `[${guest.own}]`,
          guest.network.lan(),
          '[fd78:0:0:1::1]',
        );

        const routed = { mode: 'routed', metered: true, dhcp: true, hostMac: guest.mac } as const;
        expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
        await connection.echo('behind a host that routes\n');
        await shows(guest, 6, addresses);
        // No neighbour can be found by NDP there.
        expect(await guest.network.nextHop('fd78:0:0:1::77')).toBe(linkLocalOf(guest.mac));
        expect((await guest.host.call('observe', {})).network).toMatchObject({
          mode: 'routed',
          gateway: '10.78.0.1',
          addresses: expect.arrayContaining(addresses) as string[],
        });
        await using monitor = guest.network.watchAddresses();
        expect(await guest.host.call('apply-network', routed)).toEqual({ problems: [] });
        expect(monitor.lines).toEqual([]);

        const bridged = { mode: 'bridged', metered: false, hostMac: otherHost } as const;
        expect(await guest.host.call('apply-network', bridged)).toEqual({ problems: [] });
        await connection.echo('on a bridge\n');
        await until(async () => (await guest.network.nextHop('fd78:0:0:1::77')) === '');
        await until(async () => (await guest.network.nextHop('2001:db8::1')) === linkLocalOf(guest.mac));
        expect((await guest.host.call('observe', {})).network.mode).toBe('bridged');
        expect(await guest.host.call('apply-network', bridged)).toEqual({ problems: [] });
        await connection.echo('asked twice\n');
        await shows(guest, 6, addresses);
      },
    );

    it('tells routed from bridged where there is no IPv4', async () => {
      await using guest = await startAgent({ ipv4: 'disabled', ipv6: 'auto' });
      await until(async () => (await guest.network.addresses(6)).length === 2);
      for (const [mode, hostMac] of [
        ['bridged', otherHost],
        ['routed', guest.mac],
      ] as const) {
        expect(await guest.host.call('apply-network', { mode, metered: false, hostMac })).toEqual({
          problems: [],
        });
        expect((await guest.host.call('observe', {})).network).toMatchObject({
          mode,
          interface: 'eth0',
          gateway: linkLocalOf(guest.mac),
        });
      }
    });
  },
);
