import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { clientIp, guestIp, guestMac, type Host, type Namespace, TestLan, until } from './network-fixture.ts';

const tap = 'wd-work';
const routed: NetworkBinding = { mode: 'routed', tap, uplink: 'wlan0', guestAddresses: [guestIp] };
const bridged: NetworkBinding = { mode: 'bridged', tap, bridge: 'br0' };

let lan: TestLan;

beforeEach(async () => {
  lan = await TestLan.create();
});

afterEach(async () => {
  await lan[Symbol.asyncDispose]();
});

/** All of a host's network that HostNetwork may touch, as text; taps themselves and what the kernel learns aside. */
async function fingerprint(host: Host): Promise<string> {
  const { namespace } = host;
  const settings = await namespace.run(
    'sh',
    '-c',
    'grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/{all,default,wlan0,eth0,br0}/* /proc/sys/net/ipv4/neigh/{wlan0,eth0,br0}/proxy_delay 2>/dev/null || true'
      .replaceAll('{all,default,wlan0,eth0,br0}', '*')
      .replaceAll('{wlan0,eth0,br0}', '*'),
  );
  const lines = settings.split('\n').filter((line) => !line.includes(`/${tap}`));
  return [
    ...lines,
    await namespace.run('ip', '-4', 'route', 'show', 'table', 'all'),
    await namespace.run('ip', 'neigh', 'show', 'proxy'),
    await namespace.run('nft', 'list', 'ruleset'),
  ].join('\n');
}

async function records(host: Host): Promise<string[]> {
  return readdir(join(host.runtimeFolder, 'network')).catch(() => []);
}

/** Counts what arrives for a TCP port on a host, before anybody answers it. */
async function countArrivals(host: Namespace, port: number): Promise<() => Promise<number>> {
  await host.run('nft', 'add', 'table', 'inet', 'probe');
  await host.run('nft', 'add chain inet probe input { type filter hook input priority -300; }');
  await host.run('nft', `add rule inet probe input tcp dport ${port} counter`);
  return async () => {
    const listed = await host.run('nft', 'list', 'chain', 'inet', 'probe', 'input');
    return Number(new RegExp(`dport ${port} counter packets (\\d+)`).exec(listed)?.[1]);
  };
}

async function connect(from: Namespace, address: string, port: number): Promise<void> {
  await from.run('bash', '-c', `timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null || true`);
}

describe('a routed guest', () => {
  it('is not reached before it is bound', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.client.ping(guestIp, 1)).toBe(1);
  });

  it('is reached from the LAN, and reaches it, through proxy ARP', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.guest.ping(clientIp)).toBe(0);
    expect(await lan.client.neighbour(guestIp)).toBe(await lan.mobile.hardwareAddress('wlan0'));
    expect(await lan.guest.neighbour(clientIp)).toBe(await lan.mobile.hardwareAddress(tap));
    // Its own host is reached as well.
    expect(await lan.guest.ping('10.77.0.11')).toBe(0);
  });

  it('is sent to at once, without being asked for the hardware address that is known of it', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.guest.run('nft', 'add table netdev deaf');
    await lan.guest.run(
      'nft',
      'add chain netdev deaf in { type filter hook ingress device "eth0" priority 0; }',
    );
    await lan.guest.run('nft', 'add rule netdev deaf in arp operation request drop');
    await lan.mobile.join({ ...routed, guestMac });
    expect(await lan.client.ping(guestIp)).toBe(0);
  });

  it('is answered for at once, and nobody else is', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    // proxy_delay would hold the answer back for up to 0.8 s.
    const answer = await lan.client.run(
      'sh',
      '-c',
      `ping -n -c 1 -W 1 ${guestIp} | sed -n 's/.*time=\\([0-9.]*\\).*/\\1/p'`,
    );
    expect(Number(answer)).toBeLessThan(300);
    await lan.mobile.namespace.run('ip', 'link', 'add', 'other', 'type', 'bridge');
    await lan.mobile.namespace.run('ip', 'link', 'set', 'other', 'up');
    await lan.mobile.namespace.run('ip', 'route', 'add', '10.77.0.99/32', 'dev', 'other');
    expect(await lan.client.ping('10.77.0.99', 1)).toBe(1);
    expect(await lan.client.neighbour('10.77.0.99')).toBeUndefined();
  });

  it('lets no frame with its own hardware address out of the uplink', async () => {
    await lan.switch.run('nft', 'add', 'table', 'netdev', 'probe');
    await lan.switch.run(
      'nft',
      'add chain netdev probe in { type filter hook ingress device "mobile" priority 0; }',
    );
    const uplink = await lan.mobile.hardwareAddress('wlan0');
    await lan.switch.run('nft', `add rule netdev probe in ether saddr != ${uplink} counter`);
    await lan.switch.run('nft', `add rule netdev probe in ether saddr ${uplink} counter`);
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.guest.ping(clientIp)).toBe(0);
    const listed = await lan.switch.run('nft', 'list', 'chain', 'netdev', 'probe', 'in');
    const [foreign, own] = [...listed.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
    expect(foreign).toBe(0);
    expect(own).toBeGreaterThanOrEqual(6);
  });

  it('is heard though it still sends to hardware addresses of its last host', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    await lan.guest.run(
      'ip',
      'neigh',
      'replace',
      clientIp,
      'lladdr',
      '52:54:00:99:99:99',
      'nud',
      'permanent',
      'dev',
      'eth0',
    );
    expect(await lan.guest.ping(clientIp)).toBe(0);
  });

  it('cannot pretend to be another address', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.guest.ping(clientIp)).toBe(0);
    await lan.guest.run('ip', 'address', 'add', '10.77.0.77/24', 'dev', 'eth0');
    const arrived = await countArrivals(lan.client, 9);
    const script = `timeout 1 socat -u /dev/null TCP:${clientIp}:9,bind=10.77.0.77 2>/dev/null || true`;
    await lan.guest.run('sh', '-c', script);
    expect(await arrived()).toBe(0);
    await connect(lan.guest, clientIp, 9);
    expect(await arrived()).toBeGreaterThan(0);
  });
});

describe('a bridged guest', () => {
  it('fails clearly when there is no such bridge, and leaves nothing', async () => {
    await lan.desktop.createTap(tap);
    const before = await fingerprint(lan.desktop);
    await expect(lan.desktop.bind({ mode: 'bridged', tap, bridge: 'br9' })).rejects.toThrow(/br9/);
    expect(await fingerprint(lan.desktop)).toBe(before);
    expect(await records(lan.desktop)).toEqual([]);
  });

  it('is a host on the LAN with its own hardware address', async () => {
    await lan.desktop.createTap(tap);
    await lan.desktop.bind(bridged);
    await lan.moveGuest(lan.desktop, tap);
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.client.neighbour(guestIp)).toBe(guestMac);
    expect(await lan.guest.ping('10.77.0.12')).toBe(0);
  });
});

describe('a move', () => {
  it('leaves the old host silent and as it was', async () => {
    const before = await fingerprint(lan.mobile);
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await fingerprint(lan.mobile)).not.toBe(before);

    await lan.mobile.withdraw(tap);
    await lan.client.run('ip', 'neigh', 'flush', 'dev', 'eth0');
    expect(await lan.client.ping(guestIp, 1)).toBe(1);
    expect(await lan.client.neighbour(guestIp)).toBeUndefined();
    await lan.mobile.removeTap(tap);
    expect(await fingerprint(lan.mobile)).toBe(before);
    expect(await records(lan.mobile)).toEqual([]);
  });

  it('is announced: a client that knows the old place takes the new one at once, there and back', async () => {
    await lan.mobile.createTap(tap);
    await lan.desktop.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.client.neighbour(guestIp)).not.toBe(guestMac);

    await lan.mobile.withdraw(tap);
    await lan.desktop.bind(bridged);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.announce(bridged);
    await until(async () => (await lan.client.neighbour(guestIp)) === guestMac);
    // The guest still sends to the tap of the routed host; this one takes it in and sends it on.
    expect(await lan.guest.neighbour(clientIp)).toBe(await lan.desktop.hardwareAddress(tap));
    expect(await lan.client.ping(guestIp)).toBe(0);
    await lan.guest.run('ip', 'neigh', 'flush', 'dev', 'eth0');
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.guest.neighbour(clientIp)).not.toBe(await lan.desktop.hardwareAddress(tap));

    await lan.desktop.withdraw(tap);
    await lan.mobile.bind(routed);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.announce(routed);
    const uplink = await lan.mobile.hardwareAddress('wlan0');
    await until(async () => (await lan.client.neighbour(guestIp)) === uplink);
    // The guest still sends to the client's own address, which it learned on the bridge.
    expect(await lan.client.ping(guestIp)).toBe(0);
  });

  it('can be taken back by a wdockd that was killed after it had joined the guest', async () => {
    const before = await fingerprint(lan.mobile);
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.mobile.kill();
    await lan.mobile.start();
    await lan.mobile.withdraw(tap);
    await lan.mobile.removeTap(tap);
    expect(await fingerprint(lan.mobile)).toBe(before);
  });
});

describe('a host whose guest is still elsewhere', () => {
  it('takes no traffic of the LAN, nor its own, when it is bound to route', async () => {
    await lan.desktop.createTap(tap);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.join(bridged);
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    for (const host of [lan.client, lan.mobile.namespace]) {
      await host.run('ip', 'neigh', 'flush', 'all');
      expect(await host.ping(guestIp)).toBe(0);
      expect(await host.neighbour(guestIp)).toBe(guestMac);
    }
  });

  it('takes no traffic of the LAN, nor its own, when it is bound on a bridge', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    await lan.desktop.createTap(tap);
    await lan.desktop.bind(bridged);
    for (const host of [lan.client, lan.desktop.namespace]) {
      await host.run('ip', 'neigh', 'flush', 'all');
      expect(await host.ping(guestIp)).toBe(0);
      expect(await host.neighbour(guestIp)).toBe(await lan.mobile.hardwareAddress('wlan0'));
    }
  });

  it('answers as soon as it announces, and for what the guest got in the meantime', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.bind({ ...routed, guestAddresses: [] });
    expect(await lan.client.ping(guestIp, 1)).toBe(1);
    await lan.mobile.announce(routed);
    expect(await lan.client.ping(guestIp)).toBe(0);
    await lan.mobile.withdraw(tap);
    expect(await lan.mobile.namespace.run('ip', 'neigh', 'show', 'proxy')).toBe('');
  });

  it('refuses to answer for a tap that it has not bound', async () => {
    await lan.mobile.createTap(tap);
    await expect(lan.mobile.announce(routed)).rejects.toMatchObject({ kind: 'conflict' });
    await lan.mobile.bind(routed);
    await lan.mobile.withdraw(tap);
    await expect(lan.mobile.announce(routed)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await lan.mobile.namespace.run('ip', 'neigh', 'show', 'proxy')).toBe('');
  });
});

describe('what waits to announce a guest', () => {
  const batch = 'ip -batch -';
  const sender = 'socat -u';
  const waiting = async (host: Host) => {
    const commands = await host.namespace.commands();
    return [batch, sender].filter((beginning) => commands.some((each) => each.startsWith(beginning)));
  };
  const areWaiting = (host: Host, ...expected: string[]) =>
    until(async () => (await waiting(host)).join() === expected.join());

  it('is started with the path, and ends with it', async () => {
    await lan.mobile.createTap(tap);
    await lan.desktop.createTap(tap);
    await lan.mobile.bind(routed);
    await lan.desktop.bind(bridged);
    await areWaiting(lan.mobile, batch, sender);
    await areWaiting(lan.desktop, sender);
    await lan.mobile.withdraw(tap);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.announce(bridged);
    await areWaiting(lan.mobile);
    await areWaiting(lan.desktop);
  });

  it('ends with a wdockd that is killed', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    await areWaiting(lan.mobile, batch, sender);
    await lan.mobile.kill();
    await areWaiting(lan.mobile);
  });

  it('is not relied upon: the guest is announced when it has been killed, too', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    await areWaiting(lan.mobile, batch, sender);
    await lan.mobile.namespace.kill(batch, sender);
    await lan.moveGuest(lan.mobile, tap);
    await lan.client.ip(`neigh replace ${guestIp} lladdr ${guestMac} dev eth0 nud reachable`);
    await lan.mobile.announce(routed);
    const uplink = await lan.mobile.hardwareAddress('wlan0');
    await until(async () => (await lan.client.neighbour(guestIp)) === uplink);
    expect(await lan.client.ping(guestIp)).toBe(0);
  });
});

describe('a host', () => {
  it('refuses a tap whose name something else has', async () => {
    await lan.mobile.namespace.run('ip', 'link', 'add', tap, 'type', 'bridge');
    await expect(lan.mobile.createTap(tap)).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('refuses to bind a tap that is not there', async () => {
    await expect(lan.mobile.bind(routed)).rejects.toMatchObject({ kind: 'not-found' });
    expect(await records(lan.mobile)).toEqual([]);
  });

  it('has nothing to do for a tap that is gone', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.mobile.namespace.run('ip', 'link', 'delete', tap);
    await lan.mobile.withdraw(tap);
    await lan.mobile.removeTap(tap);
    expect(await records(lan.mobile)).toEqual([]);
  });

  it('may create, bind and withdraw twice', async () => {
    await lan.mobile.createTap(tap);
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    expect(await lan.client.ping(guestIp)).toBe(0);
    await lan.mobile.withdraw(tap);
    await lan.mobile.withdraw(tap);
  });

  it('puts the settings of a shared uplink back when the last guest has left', async () => {
    const second: NetworkBinding = { ...routed, tap: 'wd-second', guestAddresses: ['10.77.0.51'] };
    const forwarding = () => lan.mobile.namespace.setting('conf/wlan0/forwarding');
    await lan.mobile.createTap(tap);
    await lan.mobile.createTap(second.tap);
    await lan.mobile.bind(routed);
    await lan.mobile.bind(second);
    await lan.mobile.withdraw(tap);
    expect(await forwarding()).toBe('1');
    await lan.mobile.withdraw(second.tap);
    expect(await forwarding()).toBe('0');
  });
});

describe('what forwards for the guest', () => {
  it('forwards nothing else: neither the LAN nor the guest get into another network of the host', async () => {
    const { namespace } = lan.mobile;
    await namespace.run('ip', 'link', 'add', 'vpn', 'type', 'bridge');
    await namespace.run('ip', 'address', 'add', '10.88.0.1/24', 'dev', 'vpn');
    await namespace.run('ip', 'link', 'set', 'vpn', 'up');
    await namespace.run('nft', 'add', 'table', 'inet', 'probe');
    await namespace.run('nft', 'add chain inet probe out { type filter hook postrouting priority 0; }');
    await namespace.run('nft', 'add rule inet probe out oifname "vpn" ip protocol icmp counter');
    const passed = async () =>
      Number(/packets (\d+)/.exec(await namespace.run('nft', 'list', 'chain', 'inet', 'probe', 'out'))?.[1]);
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    await lan.moveGuest(lan.mobile, tap);
    await lan.client.run('ip', 'route', 'add', '10.88.0.0/24', 'via', '10.77.0.11');
    await lan.guest.run('ip', 'route', 'add', '10.88.0.0/24', 'via', '10.77.0.11');
    await lan.client.ping('10.88.0.9', 1);
    await lan.guest.ping('10.88.0.9', 1);
    expect(await passed()).toBe(0);
    // The probe itself sees what passes.
    await namespace.run('sh', '-c', 'ping -c 1 -W 1 -b 10.88.0.255 >/dev/null 2>&1 || true');
    expect(await passed()).toBeGreaterThan(0);
  });

  it('stays as it was on a host that is a router already', async () => {
    const { namespace } = lan.mobile;
    await namespace.setting('conf/wlan0/forwarding', '1');
    await lan.mobile.createTap(tap);
    await lan.mobile.join(routed);
    expect(await namespace.run('nft', 'list', 'ruleset')).not.toMatch(/iifname "wlan0"/);
    await lan.mobile.withdraw(tap);
    expect(await namespace.setting('conf/wlan0/forwarding')).toBe('1');
  });
});
