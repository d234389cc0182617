import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual, promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { guestIp, guestIp6, guestMac, type Host, type Namespace, TestLan, until } from './network-fixture.ts';

const tap = 'wd-work';
const port = 5000;
/** Longer than any of these tests stands still. */
const forMs = 60_000;
const leavesLan = { forMs, staysOnLan: false };
const staysOnLan = { forMs, staysOnLan: true };
const guestAddresses = [guestIp, guestIp6];
const routed: NetworkBinding = { mode: 'routed', tap, uplink: 'wlan0', guestAddresses };
const bridged: NetworkBinding = { mode: 'bridged', tap, bridge: 'br0', guestAddresses };
const beside: NetworkBinding = { mode: 'beside', tap, link: 'wlan0', guestMac, guestAddresses };

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

async function settle(mode: 'routed' | 'bridged' | 'beside'): Promise<Host> {
  const host = mode === 'bridged' ? lan.desktop : lan.mobile;
  await host.createTap(tap);
  await lan.moveGuest(host, tap);
  await lan.setGuestIpv6(mode === 'routed' ? 'routed' : 'bridged');
  await host.join({ routed, bridged, beside }[mode]);
  return host;
}

/** The guest takes nothing in, as one whose VM is stopped; what comes for it is counted, for it came through the host. */
async function freeze(): Promise<void> {
  await lan.guest.run('nft', 'add table netdev frozen');
  await lan.guest.run(
    'nft',
    'add chain netdev frozen in { type filter hook ingress device "eth0" priority 0; }',
  );
  await lan.guest.run('nft', 'add rule netdev frozen in drop');
}

async function thaw(): Promise<void> {
  await lan.guest.run('nft', 'delete table netdev frozen');
}

/** Counts frames that match, where they come into the namespace. */
async function count(namespace: Namespace, device: string, match: string): Promise<() => Promise<number>> {
  await namespace.run('nft', 'add table netdev probe');
  // Before the product's own rules see them.
  const hook = `type filter hook ingress device "${device}" priority -300;`;
  await namespace.run('nft', `add chain netdev probe in { ${hook} }`);
  await namespace.run('nft', `add rule netdev probe in ${match} counter`);
  return async () => {
    const listed = await namespace.run('nft', 'list', 'chain', 'netdev', 'probe', 'in');
    return Number(/counter packets (\d+)/.exec(listed)?.[1]);
  };
}

function start(namespace: Namespace, ...argv: string[]): ChildProcessWithoutNullStreams {
  const child = spawn('ip', ['netns', 'exec', namespace.name, ...argv]);
  child.stderr.resume();
  cleanup.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

/** A connection from the client to the guest, over which `say` resolves when the guest has the line. */
async function connect(address: string): Promise<{ say: (line: string) => Promise<void> }> {
  const [family, target] = address.includes(':') ? ['TCP6', `[${address}]`] : ['TCP4', address];
  // The port of an earlier connection may be waiting for the last of it still.
  const heard = start(lan.guest, 'socat', '-u', `${family}-LISTEN:${port},reuseaddr`, '-');
  const lines = createInterface({ input: heard.stdout })[Symbol.asyncIterator]();
  await until(async () => (await lan.guest.run('ss', '-Htln', `sport = :${port}`)) !== '');
  const sender = start(lan.client, 'socat', '-u', '-', `${family}:${target}:${port}`);
  const say = async (line: string): Promise<void> => {
    sender.stdin.write(`${line}\n`);
    expect((await lines.next()).value).toBe(line);
  };
  await say('first');
  return { say };
}

interface Silence {
  /** How long the guest hears nothing after it runs again, ms. */
  readonly ms: number;
  /** How long the client waits between its last attempt and the next, as it was before the guest ran again, ms. */
  readonly waitMs: number;
}

/** The guest runs again when the client has tried five times. */
async function silence(
  host: Host,
  uplink: string,
  address: string,
  standing: { begin: () => Promise<void>; end: () => Promise<void> },
): Promise<Silence> {
  const { say } = await connect(address);
  const tried = await count(host.namespace, uplink, `tcp dport ${port}`);
  await freeze();
  await standing.begin();
  const heard = say('second');
  await until(async () => (await tried()) >= 5);
  const sockets = await lan.client.run('ss', '-Htin', `dport = :${port}`);
  await standing.end();
  await thaw();
  const from = performance.now();
  await heard;
  const ms = performance.now() - from;
  // The connection is what it was.
  await say('third');
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
  await host.namespace.run('nft', 'delete table netdev probe');
  return { ms, waitMs: Number(/ rto:(\d+)/.exec(sockets)?.[1]) };
}

describe.each([
  ['routed', 'wlan0'],
  ['bridged', 'eth0'],
  ['beside', 'wlan0'],
] as const)('a %s guest that stands still', (mode, uplink) => {
  it.each([guestIp, guestIp6])(
    'is sent to again soon after it runs, over a connection to %s that was open',
    async (address) => {
      const host = await settle(mode);
      const nothing = async () => {};
      // Not how long it really was: an attempt of the client's may come just as the guest runs.
      const { waitMs } = await silence(host, uplink, address, { begin: nothing, end: nothing });
      const { ms } = await silence(host, uplink, address, {
        begin: () => host.standStill(tap, leavesLan),
        end: () => host.goOn(tap),
      });
      expect(ms).toBeLessThan(waitMs / 2);
    },
  );

  it.each([
    ['ipv4', guestIp, 'icmp type destination-unreachable'],
    ['ipv6', guestIp6, 'icmpv6 type destination-unreachable'],
  ])('fails no new connection and no datagram, over %s', async (_, address, unreachable) => {
    const host = await settle(mode);
    const { say } = await connect(address);
    const told = await count(lan.client, 'eth0', unreachable);
    const came = await count(host.namespace, uplink, 'meta l4proto { tcp, udp }');
    await freeze();
    await host.standStill(tap, leavesLan);
    const shell = (protocol: string) =>
      `timeout 2 bash -c 'exec 3<>/dev/${protocol}/${address}/9 && echo hello >&3'; echo $?`;
    // 124: it was still trying; a connection that is refused or unreachable ends with 1 at once.
    expect((await lan.client.run('bash', '-c', shell('tcp'))).trim()).toBe('124');
    expect((await lan.client.run('bash', '-c', shell('udp'))).trim()).toBe('0');
    await until(async () => (await came()) >= 2);
    expect(await told()).toBe(0);
    const heard = say('second');
    await until(async () => (await told()) > 0);
    await host.goOn(tap);
    await thaw();
    await heard;
  });

  it.each([true, false])(
    'is reached again when wdockd is killed and nobody says that it runs (%s)',
    async (stays) => {
      const host = await settle(mode);
      const { say } = await connect(guestIp);
      await host.standStill(tap, { forMs: 700, staysOnLan: stays });
      await host.kill();
      await say('second');
      const rules = () => host.namespace.run('nft', 'list', 'ruleset');
      await until(async () => !/elements.*10\.77\.0\.50 timeout/.test(await rules()));
      await say('third');
    },
  );

  it('runs on without it also after wdockd was started again', async () => {
    const host = await settle(mode);
    await host.standStill(tap, leavesLan);
    await host.kill();
    await host.start();
    await host.goOn(tap);
    expect(await host.namespace.run('nft', 'list', 'ruleset')).not.toContain('standstill');
  });
});

describe('a guest that will stand still', () => {
  /** What runs at the host for it alone. */
  const programs = async ({ namespace }: Host): Promise<{ pid: number; name: string }[]> => {
    const { stdout } = await promisify(execFile)('ip', ['netns', 'pids', namespace.name]);
    const pids = stdout.split('\n').map(Number).filter(Boolean);
    const found = pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // it has ended meanwhile
      return { pid, name: /^(ip\0-batch|nft\0-f)\0/.exec(line)?.[1]?.split('\0')[0] ?? '' };
    });
    return (await Promise.all(found)).filter(({ name }) => name !== '');
  };
  const untilThere = async (host: Host, wanted: readonly string[]): Promise<void> => {
    await until(async () => isDeepStrictEqual((await programs(host)).map(({ name }) => name).sort(), wanted));
  };

  it.each(['moves on without', 'stands still', 'is left by a wdockd that is killed'])(
    'has no program waiting for it any more when it %s',
    async (what) => {
      const host = await settle('bridged');
      await host.readyStandstill(tap);
      await untilThere(host, ['ip', 'nft']);
      if (what === 'moves on without') await host.unreadyStandstill();
      else if (what === 'stands still') await host.standStill(tap, staysOnLan);
      else await host.kill();
      await untilThere(host, []);
      const rules = await host.namespace.run('nft', 'list', 'ruleset');
      expect(rules.includes('standing4')).toBe(what === 'stands still');
    },
  );

  it('stands still also when what waited for that was killed', async () => {
    const host = await settle('bridged');
    await host.readyStandstill(tap);
    await untilThere(host, ['ip', 'nft']);
    for (const { pid } of await programs(host)) process.kill(pid);
    await host.standStill(tap, staysOnLan);
    expect(await host.namespace.run('nft', 'list', 'ruleset')).toContain('standing4');
  });
});

describe.each([
  ['routed', 'bridged'],
  ['bridged', 'routed'],
  ['beside', 'bridged'],
] as const)('a guest that moves within its LAN, from %s to %s', (from, to) => {
  it.each([guestIp, guestIp6])('gets all that was sent to %s while it stood still', async (address) => {
    const old = await settle(from);
    // The kernel keeps what it has for three seconds, in which a busy machine does not always get through this.
    const patience = 'for f in /proc/sys/net/ipv[46]/neigh/*/mcast_solicit; do echo 100 > "$f"; done';
    await old.namespace.run('sh', '-ec', patience);
    const next = to === 'bridged' ? lan.desktop : lan.mobile;
    await next.createTap(tap);
    await next.bind({ routed, bridged }[to]);
    expect(await lan.client.ping(address)).toBe(0);
    const { say } = await connect(address);
    const uplink = from === 'bridged' ? 'eth0' : 'wlan0';
    const asked = `${address.includes(':') ? 'icmpv6' : 'icmp'} type echo-request`;
    const came = await count(old.namespace, uplink, asked);
    await old.readyStandstill(tap);
    await freeze();
    await old.standStill(tap, staysOnLan);
    const heard = say('second');
    const pings = start(lan.client, 'ping', '-n', '-i', '0.1', '-c', '5', '-W', '20', address);
    let report = '';
    pings.stdout.on('data', (text) => {
      report += String(text);
    });
    const ended = once(pings, 'close');
    await until(async () => (await came()) >= 5);
    // As late as it can be: what was kept outlives the way to the guest.
    await old.withdraw(tap);
    await lan.moveGuest(next, tap);
    await thaw();
    await next.announce({ routed, bridged }[to]);
    await ended;
    expect(report).toContain(' 5 received');
    await heard;
    await say('third');
  });
});
