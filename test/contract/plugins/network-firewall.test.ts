import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import {
  clientIp,
  clientIp6,
  closedPort,
  guestIp,
  guestIp6,
  type Host,
  type Namespace,
  routerIp6,
  TestLan,
} from './network-fixture.ts';
import { tcpPorts, udpPorts } from './ports.ts';

const tap = 'wd-work';
const guestAddresses = [guestIp, guestIp6];

const script = fileURLToPath(new URL('./ports-child.ts', import.meta.url));

let lan: TestLan;
let listening: { child: ChildProcess; heard: string[] }[];

beforeEach(async () => {
  lan = await TestLan.create();
  listening = [];
});

afterEach(async () => {
  for (const { child } of listening) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  await lan[Symbol.asyncDispose]();
});

/** What the listeners of this namespace have heard by datagram so far. */
async function listen(namespace: Namespace): Promise<string[]> {
  const child = spawn('ip', ['netns', 'exec', namespace.name, process.execPath, script, 'listen']);
  child.stderr.pipe(process.stderr);
  const heard: string[] = [];
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  lines.on('line', (line) => heard.push(line));
  listening.push({ child, heard });
  return heard;
}

async function scan(from: Namespace, addresses: readonly string[]): Promise<string[]> {
  return JSON.parse(await from.run(process.execPath, script, 'scan', ...addresses)) as string[];
}

async function shout(from: Namespace, text: string): Promise<void> {
  await from.run('ip', 'route', 'replace', '255.255.255.255', 'dev', 'eth0');
  await from.run(process.execPath, script, 'shout', text);
}

/** Everything that a host is reached by on its LAN and on its tap, and by which it is reached nowhere else. */
async function addressesOf({ namespace }: Host): Promise<string[]> {
  await namespace.run('ip', 'address', 'add', '172.31.9.9/32', 'dev', 'lo');
  await namespace.run('ip', 'address', 'add', 'fd99::9/128', 'dev', 'lo');
  const shown = JSON.parse(await namespace.run('ip', '-j', 'address', 'show')) as {
    addr_info: { local: string }[];
  }[];
  return shown
    .flatMap((each) => each.addr_info.map(({ local }) => local))
    .filter((address) => address !== '127.0.0.1' && address !== '::1')
    .map((address) => (address.startsWith('fe80:') ? `${address}%eth0` : address));
}

describe.each([
  ['bridged', (): Host => lan.desktop, { mode: 'bridged', tap, bridge: 'br0', guestAddresses }],
  ['routed', (): Host => lan.mobile, { mode: 'routed', tap, uplink: 'wlan0', guestAddresses }],
  ['nat', (): Host => lan.mobile, { mode: 'nat', tap, uplink: 'wlan0', guestAddresses }],
] as const)('a %s guest', (mode, hostOf, template) => {
  let [guestAt, guestAt6] = [guestIp, guestIp6];
  const binding: NetworkBinding = { ...template, guestAddresses: [...guestAddresses] };

  async function join(open?: string[]): Promise<Host> {
    const host = hostOf();
    await host.createTap(tap);
    await lan.moveGuest(host, tap);
    await host.join({ ...binding, ...(open === undefined ? {} : { open }) });
    if (mode !== 'nat') await lan.setGuestIpv6(mode);
    else ({ ip: guestAt, ip6: guestAt6 } = await lan.setGuestBehind(host, tap));
    return host;
  }

  it('reaches no service of its host, at any of its addresses, and those of others', async () => {
    const host = await join();
    const addresses = await addressesOf(host);
    const [ip, ip6] = mode === 'bridged' ? ['10.77.0.12', 'fd77::12'] : ['10.77.0.11', routerIp6];
    if (mode !== 'nat') await lan.guest.run('ip', 'route', 'add', '172.31.9.9/32', 'via', ip);
    await lan.guest.run('ip', 'route', 'add', 'fd99::9/128', 'via', ip6, 'dev', 'eth0');
    await listen(host.namespace);
    await listen(lan.client);
    expect(addresses.length).toBeGreaterThanOrEqual(5);
    // Names are served at the host's address behind which the guest is, and by nobody else.
    const served = mode === 'nat' ? addresses.filter((each) => /^192\.168|^fd(?!77|99)/.test(each)) : [];
    expect(await scan(lan.guest, addresses)).toEqual(served.map((address) => `tcp/53 at ${address}`).sort());
    // The scan itself finds what is open.
    const all = tcpPorts.length + udpPorts.length;
    expect(await scan(lan.guest, [clientIp, clientIp6])).toHaveLength(2 * all);
    expect(await scan(lan.client, [mode === 'bridged' ? '10.77.0.12' : '10.77.0.11'])).toHaveLength(
      mode === 'nat' ? all - 1 : all,
    );
  });

  it('is not heard by its host when it calls to all, though the LAN is as the mode has it', async () => {
    const host = await join();
    const onHost = await listen(host.namespace);
    const onLan = await listen(lan.client);
    await shout(lan.guest, 'from the guest');
    await shout(lan.client, 'from the LAN');
    // A datagram that takes the same way as the others and comes after them.
    await scan(lan.client, [mode === 'bridged' ? 'fd77::12' : 'fd77::11']);
    expect(onHost).toContain('from the LAN');
    expect(onHost).not.toContain('from the guest');
    await scan(lan.guest, [clientIp6]);
    expect(onLan.includes('from the guest')).toBe(mode === 'bridged');
  });

  it('reaches the ports that the policy opens, IPv4 and IPv6, and never wdockd', async () => {
    const host = await join(['tcp/22', 'udp/53', `tcp/${closedPort}`]);
    await listen(host.namespace);
    const [ip, ip6] = mode === 'bridged' ? ['10.77.0.12', 'fd77::12'] : ['10.77.0.11', 'fd77::11'];
    expect(await scan(lan.guest, [ip, ip6])).toEqual(
      ['tcp/22', 'udp/53'].flatMap((port) => [`${port} at ${ip}`, `${port} at ${ip6}`]),
    );
  });

  it('is pinged by its host, pings it, and answers what it asks', async () => {
    const host = await join();
    await listen(lan.guest);
    const [ip, ip6] = mode === 'bridged' ? ['10.77.0.12', 'fd77::12'] : ['10.77.0.11', 'fd77::11'];
    for (const address of [ip, ip6]) expect(await lan.guest.ping(address)).toBe(0);
    for (const address of [guestAt, guestAt6]) expect(await host.namespace.ping(address)).toBe(0);
    const all = tcpPorts.length + udpPorts.length;
    expect(await scan(host.namespace, [guestAt, guestAt6])).toHaveLength(2 * all);
  });

  it('does not reach a port that its host has published for a container', async () => {
    const { namespace } = hostOf();
    await namespace.run(
      'ip',
      'link',
      'add',
      'ct',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      lan.switch.name,
    );
    await namespace.run('ip', 'address', 'add', '10.99.0.1/24', 'dev', 'ct');
    await namespace.run('ip', 'link', 'set', 'ct', 'up');
    await lan.switch.run('ip', 'address', 'add', '10.99.0.2/24', 'dev', 'eth0');
    await lan.switch.run('ip', 'link', 'set', 'eth0', 'up');
    await lan.switch.run('ip', 'route', 'add', 'default', 'via', '10.99.0.1');
    for (const name of ['ct', 'all']) await namespace.setting(`conf/${name}/forwarding`, '1');
    await join();
    await namespace.run('nft', 'add', 'table', 'ip', 'published');
    await namespace.run('nft', 'add chain ip published pre { type nat hook prerouting priority -100; }');
    await namespace.run(
      'nft',
      'add rule ip published pre fib daddr type local tcp dport 8080 dnat to 10.99.0.2',
    );
    await listen(lan.switch);
    const [ip] = mode === 'bridged' ? ['10.77.0.12'] : ['10.77.0.11'];
    expect(await scan(lan.client, [ip])).toContain(`tcp/8080 at ${ip}`);
    expect(await scan(lan.guest, [ip])).toEqual([]);
  });
});
