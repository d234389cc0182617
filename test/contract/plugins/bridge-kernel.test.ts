import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WiredHost } from './bridge-fixture.ts';

let wired: WiredHost;

beforeEach(async () => {
  wired = await WiredHost.start('static');
});

afterEach(async () => {
  await wired[Symbol.asyncDispose]();
});

/** Addresses, routes and master of the interface, as text. */
async function fingerprint(): Promise<string> {
  return [
    ...(await wired.addresses('eth0')),
    await wired.onHost('ip', 'route', 'show', 'table', 'main'),
    await wired.onHost('ip', '-6', 'route', 'show', 'table', 'main'),
    await wired.onHost('sh', '-c', 'ls -l /sys/class/net/eth0/master 2>/dev/null || true'),
  ].join('\n');
}

describe('a bridge on a host whose network nobody manages', () => {
  it('is not made over an address that another program leases, and the message says what to do', async () => {
    await wired.onHost(
      'ip',
      'address',
      'change',
      '10.79.0.20/24',
      'dev',
      'eth0',
      'valid_lft',
      '600',
      'preferred_lft',
      '600',
    );
    await expect(wired.ensure('eth0')).rejects.toThrow(
      /10\.79\.0\.20\/24 is a lease that another program renews/,
    );
    expect((await wired.links())[0]?.newBridge).toMatchObject({ possible: false });
    expect(await wired.hasDevice('wdbr2')).toBe(false);
  });

  it('is not made while guests are routed through the interface', async () => {
    await wired.onHost('ip', 'neigh', 'add', 'proxy', '10.79.0.99', 'dev', 'eth0');
    await expect(wired.ensure('eth0')).rejects.toThrow(/routed through eth0/);
    expect(await wired.hasDevice('wdbr2')).toBe(false);
  });

  it('is put back when the gateway does not answer through it', async () => {
    const before = await fingerprint();
    await wired.onLan('nft', 'add', 'table', 'netdev', 'cut');
    // Whatever comes from the host once it has a bridge: the switch takes no ARP from it any more after the first one.
    await wired.onLan(
      'nft',
      'add chain netdev cut in { type filter hook ingress device "lan0" priority 0; }',
    );
    await wired.onLan(
      'nft',
      'add rule netdev cut in ether type arp limit rate over 1/hour burst 1 packets drop',
    );
    await wired.onHost('ip', 'neigh', 'flush', 'all');
    await expect(wired.ensure('eth0')).rejects.toThrow(/the gateway 10\.79\.0\.1 does not answer on wdbr2/);
    expect(await fingerprint()).toBe(before);
    expect(await wired.hasDevice('wdbr2')).toBe(false);
    expect(await wired.records()).toEqual([]);
  });

  it('is put back by the wdockd that starts after one that was killed in the middle; the host stays online', async () => {
    const before = await fingerprint();
    const changed = wired.untilMasterChanges();
    const made = wired.ensure('eth0').catch(() => {});
    await changed;
    await wired.killDaemon();
    await made;
    expect(await wired.answersFromLan('10.79.0.20')).toBe(true);
    await wired.startDaemon();
    await wired.recover();
    expect(await fingerprint()).toBe(before);
    expect(await wired.hasDevice('wdbr2')).toBe(false);
    expect(await wired.records()).toEqual([]);
    expect(await wired.answersFromLan('10.79.0.20')).toBe(true);
  });

  it('is taken down to the end by the wdockd that starts after one that was killed while it did so', async () => {
    const before = await fingerprint();
    await wired.ensure('eth0');
    const changed = wired.untilMasterChanges();
    const removed = wired.sweep().catch(() => {});
    await changed;
    await wired.killDaemon();
    await removed;
    expect(await wired.answersFromLan('10.79.0.20')).toBe(true);
    await wired.startDaemon();
    await wired.recover();
    expect(await fingerprint()).toBe(before);
    expect(await wired.hasDevice('wdbr2')).toBe(false);
    expect(await wired.answersFromLan('10.79.0.20')).toBe(true);
  });

  it('takes over addresses, routes and hardware address, and the LAN misses at most one ping either way', async () => {
    const before = await fingerprint();
    const addresses = await wired.addresses('eth0');
    const mac = await wired.hardwareAddress('eth0');
    const pings = await Promise.all([wired.pingFromLan('10.79.0.20'), wired.pingFromLan('fd79::20')]);
    const bridge = await wired.ensure('eth0');
    expect(await wired.addresses(bridge)).toEqual(addresses);
    expect(await wired.addresses('eth0')).toEqual([]);
    expect(await wired.hardwareAddress(bridge)).toBe(mac);
    expect(await wired.onHost('ip', 'route')).toBe(
      before
        .split('\n')
        .filter((line) => /^(default|10\.).*dev eth0/.test(line))
        .map((line) => `${line}\n`.replace('dev eth0', `dev ${bridge}`))
        .join(''),
    );
    expect(await wired.onHost('ip', '-6', 'route')).toContain(`fd99::/64 via fd79::7 dev ${bridge}`);
    for (const ping of pings) expect((await ping.stop()).lost).toBeLessThanOrEqual(1);

    const back = await Promise.all([wired.pingFromLan('10.79.0.20'), wired.pingFromLan('fd79::20')]);
    await wired.sweep();
    expect(await wired.hasDevice(bridge)).toBe(false);
    for (const ping of back) expect((await ping.stop()).lost).toBeLessThanOrEqual(1);
    expect(await fingerprint()).toBe(before);
    expect(await wired.records()).toEqual([]);
  });

  it('stays while a guest is on this host', async () => {
    const bridge = await wired.ensure('eth0');
    await wired.onHost('ip', 'tuntap', 'add', 'dev', 'wd-work', 'mode', 'tap');
    await wired.sweep();
    expect(await wired.hasDevice(bridge)).toBe(true);
    await wired.onHost('ip', 'link', 'delete', 'wd-work');
    await wired.sweep();
    expect(await wired.hasDevice(bridge)).toBe(false);
  });

  it('is one that the host has already', async () => {
    await wired.onHost('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await wired.onHost('ip', 'link', 'set', 'eth0', 'master', 'br0');
    expect(await wired.ensure('eth0')).toBe('br0');
    await wired.sweep();
    expect(await wired.hasDevice('br0')).toBe(true);
  });
});
