import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import {
  clientIp,
  clientIp6,
  guestIp,
  guestIp6,
  guestMac,
  type Host,
  Namespace,
  routerIp6,
  TestLan,
  until,
} from './network-fixture.ts';

const tap = 'wd-work';
const guestAddresses = [guestIp, guestIp6];
const routed: NetworkBinding = { mode: 'routed', tap, uplink: 'wlan0', guestAddresses };
const bridged: NetworkBinding = { mode: 'bridged', tap, bridge: 'br0', guestAddresses };

let lan: TestLan;

beforeEach(async () => {
  lan = await TestLan.create();
});

afterEach(async () => {
  await lan[Symbol.asyncDispose]();
});

/** All of a host's IPv6 that HostNetwork may touch; taps themselves and what the kernel learns aside. */
async function fingerprint({ namespace }: Host): Promise<string> {
  const names = '{forwarding,accept_ra,autoconf,addr_gen_mode,accept_redirects,disable_ipv6,proxy_ndp}';
  const settings = await namespace.run(
    'bash',
    '-c',
    `grep -H . /proc/sys/net/ipv6/conf/*/${names} /proc/sys/net/ipv6/neigh/*/proxy_delay`,
  );
  const lines = settings.split('\n').filter((line) => !line.includes(`/${tap}`));
  const parts = [
    await namespace.run('ip', '-6', 'route', 'show', 'table', 'all'),
    await namespace.run('ip', '-6', 'neigh', 'show', 'proxy'),
    await namespace.run('nft', 'list', 'ruleset'),
  ];
  return [...lines, ...parts.map((part) => part.replaceAll(/ expires \d+sec/g, ''))].join('\n');
}

describe('a routed guest, over IPv6', () => {
  it('finds its router by the link-local address of the tap, at once', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    await lan.moveGuest(lan.mobile, tap);
    const { namespace } = lan.mobile;
    const addresses = await namespace.run('ip', '-6', '-o', 'address', 'show', 'dev', tap);
    expect(addresses).toContain(`inet6 ${routerIp6}/64 scope link nodad`);
    expect(addresses.trim().split('\n')).toHaveLength(1);
    expect(addresses).not.toMatch(/tentative/);
    expect(await lan.guest.ping(`${routerIp6}%eth0`)).toBe(0);
  });

  it('is reached from the LAN, and reaches it, through proxy NDP, and nobody else is answered for', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.setGuestIpv6('routed');
    expect(await lan.client.ping(guestIp6)).toBe(0);
    expect(await lan.guest.ping(clientIp6)).toBe(0);
    expect(await lan.client.neighbour(guestIp6)).toBe(await lan.mobile.hardwareAddress('wlan0'));
    await lan.mobile.namespace.run('ip', '-6', 'route', 'add', 'fd77::99/128', 'dev', tap);
    expect(await lan.client.ping('fd77::99', 1)).toBe(1);
  });

  it('is not answered for before it is announced, though everything is laid', async () => {
    await lan.desktop.createTap(tap);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.join(bridged);
    await lan.setGuestIpv6('bridged');
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    for (const host of [lan.client, lan.mobile.namespace]) {
      await host.run('ip', 'neigh', 'flush', 'all');
      expect(await host.ping(guestIp6)).toBe(0);
      expect(await host.neighbour(guestIp6)).toBe(guestMac);
    }
  });

  it('cannot pretend to be another address', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.setGuestIpv6('routed');
    expect(await lan.guest.ping(clientIp6)).toBe(0);
    await lan.client.run('nft', 'add', 'table', 'inet', 'probe');
    await lan.client.run('nft', 'add chain inet probe input { type filter hook input priority 0; }');
    await lan.client.run('nft', 'add rule inet probe input ip6 saddr fd77::77 counter');
    await lan.guest.run('ip', 'address', 'add', 'fd77::77/128', 'dev', 'eth0', 'nodad');
    await lan.guest.run('sh', '-c', `ping -n -c 1 -W 1 -I fd77::77 ${clientIp6} || true`);
    expect(await lan.client.run('nft', 'list', 'chain', 'inet', 'probe', 'input')).toMatch(/packets 0 /);
  });

  it('lets no frame with its own hardware address out of the uplink, nor names it there', async () => {
    await lan.switch.run('nft', 'add', 'table', 'netdev', 'probe');
    await lan.switch.run(
      'nft',
      'add chain netdev probe in { type filter hook ingress device "mobile" priority 0; }',
    );
    const uplink = (await lan.mobile.hardwareAddress('wlan0')) ?? '';
    const option = `0x${uplink.replaceAll(':', '')}`;
    const advert = 'icmpv6 type nd-neighbor-advert';
    await lan.switch.run(
      'nft',
      `add rule netdev probe in ether saddr != ${uplink} counter comment "foreign"`,
    );
    await lan.switch.run(
      'nft',
      `add rule netdev probe in ${advert} @th,208,48 != ${option} counter comment "names"`,
    );
    await lan.switch.run(
      'nft',
      `add rule netdev probe in ${advert} @th,208,48 ${option} counter comment "own"`,
    );
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.setGuestIpv6('routed');
    expect(await lan.client.ping(guestIp6)).toBe(0);
    const listed = await lan.switch.run('nft', 'list', 'chain', 'netdev', 'probe', 'in');
    const count = (comment: string) =>
      Number(new RegExp(`packets (\\d+) bytes \\d+ comment "${comment}"`).exec(listed)?.[1]);
    expect(count('foreign')).toBe(0);
    expect(count('names')).toBe(0);
    expect(count('own')).toBeGreaterThanOrEqual(3);
  });
});

describe('a move, over IPv6', () => {
  it('is announced: a client that knows the old place takes the new one at once, there and back', async () => {
    const uplink = await lan.mobile.hardwareAddress('wlan0');
    await lan.mobile.createTap(tap);
    await lan.desktop.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.setGuestIpv6('routed');
    expect(await lan.client.ping(guestIp6)).toBe(0);
    expect(await lan.desktop.namespace.ping(guestIp6)).toBe(0);

    await lan.mobile.withdraw(tap);
    await lan.desktop.bind(bridged);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.announce(bridged);
    await until(async () => (await lan.client.neighbour(guestIp6)) === guestMac);
    // The guest still sends to the tap of the host that routed; this one takes it in and sends it on.
    expect(await lan.client.ping(guestIp6)).toBe(0);
    await lan.setGuestIpv6('bridged');
    expect(await lan.client.ping(guestIp6)).toBe(0);
    expect(await lan.desktop.namespace.ping(guestIp6)).toBe(0);

    await lan.desktop.withdraw(tap);
    await lan.mobile.bind(routed);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.announce(routed);
    await until(async () => (await lan.client.neighbour(guestIp6)) === uplink);
    // The guest still sends to the client's own hardware address, which it learned on the bridge.
    expect(await lan.client.ping(guestIp6)).toBe(0);
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.guest.ping(clientIp)).toBe(0);
  });

  it('leaves either host as it was', async () => {
    for (const [host, binding] of [
      [lan.mobile, routed],
      [lan.desktop, bridged],
    ] as const) {
      await host.createTap(tap);
      const before = await fingerprint(host);
      await host.bind(binding);
      await lan.moveGuest(host, tap);
      await host.announce(binding);
      expect(await fingerprint(host)).not.toBe(before);
      await host.kill();
      await host.start();
      await host.withdraw(tap);
      expect(await fingerprint(host)).toBe(before);
      const shown = await host.namespace.run('ip', '-6', 'address', 'show', 'dev', tap);
      expect(shown).not.toMatch(/inet6/);
    }
  });
});

describe('a host that forwards IPv6 for a guest', () => {
  const gateway = 'fe80::77:1';
  let other: Namespace;
  let routers: ChildProcess[] = [];

  /** Router advertisements in the namespace; a server that starts sends one at once. */
  async function advertise(namespace: Namespace, device: string, prefix: string): Promise<void> {
    const argv = ['--keep-in-foreground', '--conf-file=/dev/null', '--user=root', '--group=', '--pid-file='];
    const server = spawn('ip', [
      ...['netns', 'exec', namespace.name, 'dnsmasq', ...argv, '--port=0', '--log-facility=-'],
      ...[
        `--dhcp-leasefile=${join(lan.mobile.runtimeFolder, device)}`,
        `--interface=${device}`,
        '--enable-ra',
      ],
      `--dhcp-range=${prefix},ra-only,64,300`,
    ]);
    server.stderr.resume();
    await once(server, 'spawn');
    routers.push(server);
  }

  async function startRouters(): Promise<void> {
    await advertise(lan.switch, 'sw', 'fd78::');
    await advertise(other, 'port', 'fd79::');
  }

  async function stopRouters(): Promise<void> {
    for (const router of routers) {
      const exited = once(router, 'exit');
      router.kill('SIGKILL');
      await exited;
    }
    routers = [];
  }

  async function findsRoutersAnew(): Promise<void> {
    await stopRouters();
    await lan.mobile.namespace.run('ip', '-6', 'route', 'flush', 'default');
    await startRouters();
    await until(async () => (await defaultRoutes()).length === 2);
  }

  const defaultRoutes = async () => {
    const shown = await lan.mobile.namespace.run('ip', '-6', 'route', 'show', 'default');
    return [...shown.matchAll(/dev (\S+) proto ra/g)].map((match) => match[1]).sort();
  };

  beforeEach(async () => {
    other = await Namespace.create('other');
    const { namespace } = lan.mobile;
    await namespace.run(
      'ip',
      'link',
      'add',
      'eth9',
      'type',
      'veth',
      'peer',
      'name',
      'port',
      'netns',
      other.name,
    );
    await namespace.run('ip', 'link', 'set', 'eth9', 'up');
    await other.run('ip', 'link', 'set', 'port', 'up');
    for (const [router, device, prefix] of [
      [lan.switch, 'sw', 'fd78::'],
      [other, 'port', 'fd79::'],
    ] as const) {
      await router.run('ip', 'address', 'add', `${gateway}/64`, 'dev', device);
      await router.run('ip', 'address', 'add', `${prefix}1/64`, 'dev', device);
    }
    await startRouters();
    await until(async () => (await defaultRoutes()).length === 2);
  });

  afterEach(async () => {
    await stopRouters();
    await other[Symbol.asyncDispose]();
  });

  it('goes on to find its own routers, on the uplink and elsewhere', async () => {
    const ways = ['eth9', 'wlan0'];
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    await lan.mobile.announce(routed);
    expect(await defaultRoutes()).toEqual(ways);
    await findsRoutersAnew();
    await lan.mobile.withdraw(tap);
    expect(await defaultRoutes()).toEqual(ways);
    await findsRoutersAnew();
  }, 60_000);

  it('is no router for others: neither between its networks nor to its neighbours', async () => {
    const { namespace } = lan.mobile;
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.setGuestIpv6('routed');
    expect(await namespace.setting('ipv6/conf/eth9/forwarding')).toBe('0');
    const inOther = await namespace.run('sh', '-c', 'ip -6 -o address show dev eth9 scope global');
    const address = /inet6 (fd79:\S+)\/64/.exec(inOther)?.[1] ?? '';
    expect(await other.ping(address, 1)).toBe(0);
    await other.run('ip', '-6', 'route', 'add', 'fd77::/64', 'via', address);
    await lan.client.run('ip', '-6', 'route', 'add', 'fd79::/64', 'via', 'fd77::11');
    expect(await other.ping(clientIp6, 1)).toBe(1);
    expect(await lan.client.ping('fd79::1', 1)).toBe(1);
    expect(await lan.guest.ping('fd79::1', 1)).toBe(1);
  }, 60_000);
});
