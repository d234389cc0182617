import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import {
  clientIp,
  clientIp6,
  guestIp,
  guestIp6,
  guestMac,
  type Host,
  type Namespace,
  serve,
  TestLan,
  until,
} from './network-fixture.ts';

const tap = 'wd-work';
const link = 'wlan0';
const guestAddresses = [guestIp, guestIp6];
const beside: NetworkBinding = { mode: 'beside', tap, link, guestMac, guestAddresses };
const askDhcp = fileURLToPath(new URL('../lab/ask-dhcp.ts', import.meta.url));
const hostAddresses = ['10.77.0.11', 'fd77::11'];

let lan: TestLan;
let host: Host;

beforeEach(async () => {
  lan = await TestLan.create();
  host = lan.mobile;
  await host.createTap(tap);
});

afterEach(async () => {
  await lan[Symbol.asyncDispose]();
});

async function join(): Promise<void> {
  await lan.moveGuest(host, tap);
  await lan.setGuestIpv6('bridged');
  await host.join(beside);
}

/** All that the host has of its own, and how its kernel is set. */
async function fingerprint({ namespace }: Host): Promise<string> {
  const settings = await namespace.run(
    'bash',
    '-c',
    'grep -H . /proc/sys/net/ipv{4,6}/conf/*/{forwarding,rp_filter,proxy_arp,accept_ra,disable_ipv6} 2>/dev/null; true',
  );
  const parts = [
    settings
      .split('\n')
      .filter((line) => !line.includes(`/${tap}`) && !line.includes('/wm-work'))
      .join('\n'),
    await namespace.run('ip', '-br', 'link', 'show', 'dev', link),
    await namespace.run('ip', '-o', 'address', 'show', 'dev', link),
    await namespace.run('ip', 'route', 'show', 'table', 'all', 'dev', link),
    await namespace.run('ip', '-6', 'route', 'show', 'table', 'all', 'dev', link),
  ];
  return parts.join('\n');
}

async function devices(namespace: Namespace): Promise<string> {
  return namespace.run('ls', '/sys/class/net');
}

describe('a guest beside its host', () => {
  it('fails clearly where the link is not there, and leaves nothing', async () => {
    const rules = await host.namespace.run('nft', 'list', 'ruleset');
    await expect(host.bind({ ...beside, link: 'eth7' })).rejects.toThrow(/eth7|device/i);
    expect(await devices(host.namespace)).not.toContain('wm-work');
    expect(await host.namespace.run('nft', 'list', 'ruleset')).toBe(rules);
  });

  it('is a host on the LAN with its own hardware address, over IPv4 and IPv6', async () => {
    await join();
    for (const to of [clientIp, clientIp6]) expect(await lan.guest.ping(to)).toBe(0);
    for (const at of guestAddresses) {
      await lan.client.run('ip', 'neigh', 'flush', 'to', at);
      expect(await lan.client.ping(at)).toBe(0);
      expect(await lan.client.neighbour(at)).toBe(guestMac);
    }
  });

  it('is given an address by the DHCP server of the LAN itself', async () => {
    await lan.switch.run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'sw');
    const range = [
      '--interface=sw',
      '--bind-interfaces',
      '--port=0',
      '--dhcp-range=10.77.0.60,10.77.0.60,10m',
    ];
    await using _server = await serve(
      lan.switch,
      ...range,
      '--leasefile-ro',
      '--dhcp-authoritative',
      '--no-ping',
    );
    await join();
    await lan.guest.run('ip', 'route', 'replace', '255.255.255.255', 'dev', 'eth0');
    const asked = await lan.guest.run(process.execPath, askDhcp, guestMac);
    expect(asked).toContain('10.77.0.60');
  });

  it('reaches nothing of its host, nor is reached by it, and the host stays as it was', async () => {
    const before = await fingerprint(host);
    await join();
    expect(await fingerprint(host)).toBe(before);
    for (const address of hostAddresses) {
      expect(await lan.guest.ping(address, 1)).toBe(1);
      // On the LAN it is where it always was.
      expect(await lan.client.ping(address, 1)).toBe(0);
    }
    for (const address of guestAddresses) expect(await host.namespace.ping(address, 1)).toBe(1);
    expect(await host.namespace.ping(clientIp, 1)).toBe(0);
    await host.withdraw(tap);
    expect(await fingerprint(host)).toBe(before);
    expect(await devices(host.namespace)).not.toContain('wm-work');
    expect(await lan.client.ping(guestIp, 1)).toBe(1);
  });

  it('is heard though it still sends to the hardware address of a host that routed to it', async () => {
    await join();
    const tapMac = (await host.hardwareAddress(tap)) ?? '';
    const entry = [clientIp, 'lladdr', tapMac, 'dev', 'eth0', 'nud', 'permanent'];
    await lan.guest.run('ip', 'neigh', 'replace', ...entry);
    expect(await lan.guest.ping(clientIp)).toBe(0);
  });

  it('reaches no port of its host by that hardware address either', async () => {
    await join();
    const tapMac = (await host.hardwareAddress(tap)) ?? '';
    const { namespace } = host;
    await namespace.run('nft', 'add', 'table', 'inet', 'probe');
    // After the product's own.
    await namespace.run('nft', 'add chain inet probe input { type filter hook input priority 0; }');
    await namespace.run('nft', 'add set inet probe seen { typeof ip saddr; flags dynamic; }');
    await namespace.run('nft', 'add set inet probe seen6 { typeof ip6 saddr; flags dynamic; }');
    await namespace.run('nft', 'add rule inet probe input tcp dport 22 add @seen { ip saddr }');
    await namespace.run('nft', 'add rule inet probe input tcp dport 22 add @seen6 { ip6 saddr }');
    for (const address of hostAddresses) {
      await lan.guest.run(
        'ip',
        'neigh',
        'replace',
        address,
        'lladdr',
        tapMac,
        'dev',
        'eth0',
        'nud',
        'permanent',
      );
      for (const from of [lan.guest, lan.client]) {
        await from.run(
          'bash',
          '-c',
          `timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/22' 2>/dev/null || true`,
        );
      }
    }
    const seen = await namespace.run('nft', 'list', 'table', 'inet', 'probe');
    for (const address of [clientIp, clientIp6]) expect(seen).toContain(address);
    for (const address of guestAddresses) expect(seen).not.toContain(address);
  });

  it('is announced: a client that knows the old place takes the new one at once, there and back', async () => {
    const old = lan.desktop;
    await old.createTap(tap);
    await lan.moveGuest(old, tap);
    await old.join({ mode: 'routed', tap, uplink: 'br0', guestAddresses });
    await until(async () => (await lan.client.ping(guestIp, 1)) === 0);
    expect(await lan.client.neighbour(guestIp)).toBe(await old.hardwareAddress('br0'));
    await old.withdraw(tap);
    await join();
    expect(await lan.client.neighbour(guestIp)).toBe(guestMac);
    expect(await lan.client.ping(guestIp)).toBe(0);
  });

  it('can be taken back by a wdockd that was killed after it had joined the guest', async () => {
    await join();
    await host.kill();
    await host.start();
    await host.withdraw(tap);
    expect(await devices(host.namespace)).not.toContain('wm-work');
    expect(await host.namespace.run('nft', 'list', 'tables')).not.toContain('wdock_');
    await host.join(beside);
    expect(await lan.client.ping(guestIp)).toBe(0);
  });

  it('has nothing to be taken back where its link is gone', async () => {
    await join();
    await host.namespace.run('ip', 'link', 'delete', 'dev', link);
    await host.withdraw(tap);
    expect(await host.namespace.run('nft', 'list', 'tables')).not.toContain('wdock_');
  });
});
