import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import {
  clientIp,
  clientIp6,
  guestIp,
  guestIp6,
  guestMac,
  type Namespace,
  routerIp6,
  TestLan,
  until,
} from './network-fixture.ts';

const tap = 'wd-work';
const nat = {
  mode: 'nat',
  tap,
  uplink: 'wlan0',
  guestAddresses: [guestIp, guestIp6],
} satisfies NetworkBinding;
const childOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

let lan: TestLan;
let cleanup: AsyncDisposableStack;

beforeEach(async () => {
  lan = await TestLan.create();
  cleanup = new AsyncDisposableStack();
});

afterEach(async () => {
  await cleanup.disposeAsync();
  await lan[Symbol.asyncDispose]();
});

async function joinBehind(binding: NetworkBinding = nat): Promise<void> {
  await lan.mobile.createTap(tap);
  await lan.moveGuest(lan.mobile, tap);
  await lan.mobile.join(binding);
}

async function discover(): Promise<{ address: string; server: string; router: string } | null> {
  // It asks as one that has no address (RFC 2131, 4.1).
  await lan.guest.run('ip', '-4', 'address', 'flush', 'dev', 'eth0');
  await lan.guest.run('ip', 'route', 'replace', '255.255.255.255', 'dev', 'eth0');
  const said = await lan.guest.run(process.execPath, childOf('./dhcp-child.ts'), 'discover', guestMac);
  return JSON.parse(said) as { address: string; server: string; router: string } | null;
}

async function listen(namespace: Namespace): Promise<void> {
  const argv = ['netns', 'exec', namespace.name, process.execPath, childOf('./ports-child.ts'), 'listen'];
  const child = spawn('ip', argv);
  cleanup.defer(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  await once(createInterface({ input: child.stdout }), 'line');
}

async function scan(from: Namespace, ...addresses: string[]): Promise<string[]> {
  const said = await from.run(process.execPath, childOf('./ports-child.ts'), 'scan', ...addresses);
  return JSON.parse(said) as string[];
}

/** Counts ICMP and ICMPv6 echo requests by sender. */
async function countRequests(namespace: Namespace): Promise<(from: string) => Promise<number>> {
  await namespace.run('nft', 'add', 'table', 'inet', 'probe');
  await namespace.run('nft', 'add set inet probe v4 { type ipv4_addr; flags dynamic; counter; }');
  await namespace.run('nft', 'add set inet probe v6 { type ipv6_addr; flags dynamic; counter; }');
  await namespace.run('nft', 'add chain inet probe input { type filter hook input priority 0; }');
  await namespace.run('nft', 'add rule inet probe input icmp type echo-request update @v4 { ip saddr }');
  await namespace.run('nft', 'add rule inet probe input icmpv6 type echo-request update @v6 { ip6 saddr }');
  return async (from) => {
    const listed = await namespace.run('nft', 'list', 'table', 'inet', 'probe');
    return Number(new RegExp(`${from} counter packets (\\d+)`).exec(listed)?.[1] ?? 0);
  };
}

describe('a guest behind its host', () => {
  it('is given an address, a router and a name server of its own network, and the same again', async () => {
    await joinBehind();
    expect(await lan.mobile.servesDhcp(tap)).toBe(true);
    const given = await discover();
    expect(given).toMatchObject({
      address: '192.168.200.2',
      server: '192.168.200.1',
      router: '192.168.200.1',
    });
    expect(await discover()).toEqual(given);
  });

  it('reaches the LAN as if it were its host, over IPv4 and IPv6, and is not reached', async () => {
    await joinBehind();
    const { ip } = await lan.setGuestBehind(lan.mobile, tap);
    const requests = await countRequests(lan.client);
    expect(await lan.guest.ping(clientIp)).toBe(0);
    expect(await lan.guest.ping(clientIp6)).toBe(0);
    expect(await requests('10.77.0.11')).toBe(3);
    expect(await requests('fd77::11')).toBe(3);
    expect(await requests(ip)).toBe(0);
    await lan.client.run('ip', 'route', 'add', '192.168.200.0/24', 'via', '10.77.0.11');
    expect(await lan.client.ping(ip, 1)).toBe(1);
    // Nobody answers for the address that it had on this LAN, either.
    expect(await lan.client.ping(guestIp, 1)).toBe(1);
    expect(await lan.client.neighbour(guestIp)).toBeUndefined();
  });

  it('gets IPv6 by router advertisements of its host', async () => {
    await joinBehind();
    const shown = () => lan.guest.run('sh', '-c', 'ip -6 address show dev eth0; ip -6 route show default');
    await until(async () => /inet6 fd\S+:1:\S+\/64 scope global/.test(await shown()));
    expect(await shown()).toContain(`default via ${routerIp6} dev eth0 proto ra`);
    expect(await lan.guest.ping(clientIp6)).toBe(0);
  });

  it('is not heard under an address that it had elsewhere', async () => {
    await joinBehind();
    const { router } = await lan.setGuestBehind(lan.mobile, tap);
    const requests = await countRequests(lan.client);
    for (const [address, via] of [
      [`${guestIp}/32`, router],
      [`${guestIp6}/128`, routerIp6],
    ] as const) {
      await lan.guest.run('ip', 'address', 'add', address, 'dev', 'eth0');
      const [from = '', to] = [address.split('/')[0], address.includes(':') ? clientIp6 : clientIp];
      await lan.guest.run('sh', '-c', `ping -n -c 1 -W 1 -I ${from} ${to} || true`);
      expect(await requests(from), via).toBe(0);
      expect(await requests(address.includes(':') ? 'fd77::11' : '10.77.0.11')).toBe(0);
    }
  });

  it('is reached at the ports that the policy forwards, and only there', async () => {
    await joinBehind({ ...nat, forward: ['tcp/8080:80', 'udp/5353'] });
    await lan.setGuestBehind(lan.mobile, tap);
    await listen(lan.guest);
    expect(await scan(lan.client, '10.77.0.11')).toEqual([
      'tcp/8080 at 10.77.0.11',
      'udp/5353 at 10.77.0.11',
    ]);
  });

  it('gets into no other network of its host', async () => {
    const { namespace } = lan.mobile;
    await namespace.run('ip', 'link', 'add', 'vpn', 'type', 'bridge');
    await namespace.run('ip', 'address', 'add', '10.88.0.1/24', 'dev', 'vpn');
    await namespace.run('ip', 'link', 'set', 'vpn', 'up');
    await joinBehind();
    await lan.setGuestBehind(lan.mobile, tap);
    await namespace.run('nft', 'add', 'table', 'inet', 'probe');
    await namespace.run('nft', 'add chain inet probe out { type filter hook postrouting priority 0; }');
    await namespace.run('nft', 'add rule inet probe out oifname "vpn" ip protocol icmp counter');
    await lan.guest.ping('10.88.0.9', 1);
    expect(await namespace.run('nft', 'list', 'chain', 'inet', 'probe', 'out')).toMatch(/packets 0 /);
  });

  it('reaches the Internet and nothing of the LAN where the policy says so', async () => {
    const { namespace } = lan.mobile;
    // Somewhere behind the client, which is the router of this LAN; a network of the LAN with public addresses, too.
    const elsewhere = ['198.51.100.7', '2001:db8:1::7'];
    const closed = ['10.9.9.9', '192.168.77.7', 'fd99::7', '203.0.113.100'];
    for (const address of [...elsewhere, ...closed]) {
      await lan.client.run('ip', 'address', 'add', address, 'dev', 'lo');
    }
    await namespace.run('ip', 'address', 'add', '203.0.113.11/24', 'dev', 'wlan0');
    await namespace.run('ip', 'route', 'add', '203.0.113.100/32', 'via', clientIp);
    await namespace.run('ip', 'route', 'add', 'default', 'via', clientIp);
    await namespace.run('ip', '-6', 'route', 'add', 'default', 'via', clientIp6);
    await joinBehind({ ...nat, reach: 'internet', forward: ['tcp/8080:80'] });
    await lan.setGuestBehind(lan.mobile, tap);
    for (const address of [clientIp, clientIp6, '10.77.0.12', 'fd77::12', ...closed]) {
      expect(await lan.guest.ping(address, 1), address).toBe(1);
    }
    for (const address of elsewhere) expect(await lan.guest.ping(address), address).toBe(0);
    // The host itself is as closed as ever, and who comes by a forwarded port is answered.
    await listen(namespace);
    expect((await scan(lan.guest, '10.77.0.11')).filter((each) => !each.includes('/53 '))).toEqual([]);
    await listen(lan.guest);
    expect(await scan(lan.client, '10.77.0.11')).toContain('tcp/8080 at 10.77.0.11');
  });

  it('has a network that its host knows nothing of', async () => {
    const { namespace } = lan.mobile;
    await namespace.run('ip', 'address', 'add', '192.168.200.9/28', 'dev', 'wlan0');
    await namespace.run('ip', 'route', 'add', '192.168.201.128/25', 'via', clientIp);
    await joinBehind({ ...nat, guestAddresses: ['192.168.202.77'] });
    expect(await discover()).toMatchObject({ address: '192.168.203.2' });
  });

  it('leaves its host as it was, also when wdockd was killed', async () => {
    const { namespace } = lan.mobile;
    const fingerprint = async () => {
      const settings = await namespace.run(
        'sh',
        '-c',
        'grep -rHs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf || true',
      );
      const lines = settings.split('\n').filter((line) => !line.includes(`/${tap}`));
      const parts = ['ip route show table all', 'ip -6 route show table all', 'nft list ruleset'];
      return [...lines, ...(await Promise.all(parts.map((part) => namespace.run('sh', '-c', part))))].join(
        '\n',
      );
    };
    await lan.mobile.createTap(tap);
    const before = await fingerprint();
    await lan.mobile.bind(nat);
    expect(await fingerprint()).not.toBe(before);
    await lan.mobile.kill();
    await lan.mobile.start();
    await lan.mobile.withdraw(tap);
    expect(await fingerprint()).toBe(before);
    expect(await readdir(join(lan.mobile.runtimeFolder, 'network'))).toEqual([]);
  });
});
