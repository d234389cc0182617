import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { profileUuid, WiredHost } from './bridge-fixture.ts';

let wired: WiredHost;
let ipv4: string;
let ipv6: string;

beforeEach(async () => {
  wired = await WiredHost.start('network-manager');
  const addresses = await wired.addresses('eth0');
  ipv4 = plain(addresses.find((address) => !address.includes(':')));
  ipv6 = plain(addresses.find((address) => address.includes(':')));
});

afterEach(async () => {
  await wired[Symbol.asyncDispose]();
});

function plain(address: string | undefined): string {
  return address?.split('/')[0] ?? '';
}

/** The interface has its own addresses and connection again, and nothing of ours is left. */
async function untilPutBack(): Promise<void> {
  await wired.until(async () => {
    const [addresses, connections, bridged] = await Promise.all([
      wired.addresses('eth0'),
      wired.connections().catch(() => []),
      wired.hasDevice('wdbr2'),
    ]);
    return (
      addresses.map(plain).includes(ipv4) &&
      addresses.map(plain).includes(ipv6) &&
      connections.length === 1 &&
      connections[0]?.uuid === profileUuid &&
      connections[0].device === 'eth0' &&
      !bridged
    );
  });
}

describe('a bridge that NetworkManager makes', () => {
  it('is not made where the interface has no connection, and nothing is changed', async () => {
    await wired.disconnect();
    await expect(wired.ensure('eth0')).rejects.toMatchObject({ kind: 'conflict' });
    expect(await wired.hasDevice('wdbr2')).toBe(false);
    expect(await wired.records()).toEqual([]);
  });

  it('is undone by NetworkManager itself when wdockd is killed in the middle and never comes back', async () => {
    const changed = wired.untilMasterChanges();
    const made = wired.ensure('eth0').catch(() => {});
    await changed;
    await wired.killDaemon();
    await made;
    await wired.until(() => wired.answersFromLan(ipv4));
    await untilPutBack();
    await wired.until(() => wired.answersFromLan(ipv4));
    await wired.until(() => wired.answersFromLan(ipv6));
  });

  it('is put back at once by the wdockd that starts after one that was killed in the middle', async () => {
    const changed = wired.untilMasterChanges();
    const made = wired.ensure('eth0').catch(() => {});
    await changed;
    await wired.killDaemon();
    await made;
    await wired.startDaemon();
    await wired.recover();
    await untilPutBack();
    expect(await wired.records()).toEqual([]);
    expect(await wired.answersFromLan(ipv4)).toBe(true);
    // And it can be made again.
    expect(await wired.ensure('eth0')).toBe('wdbr2');
  });

  it('is put back when NetworkManager is killed in the middle, and the host stays on the network', async () => {
    const changed = wired.untilMasterChanges();
    const made = wired.ensure('eth0');
    const failed = expect(made).rejects.toThrow(/NetworkManager/);
    await changed;
    await wired.restartManager();
    await failed;
    await untilPutBack();
    expect(await wired.records()).toEqual([]);
    expect(await wired.answersFromLan(ipv4)).toBe(true);
  });

  it('is taken down to the end by the wdockd that starts after one that was killed while it did so', async () => {
    await wired.ensure('eth0');
    const changed = wired.untilMasterChanges();
    const removed = wired.sweep().catch(() => {});
    await changed;
    await wired.killDaemon();
    await removed;
    await wired.until(() => wired.answersFromLan(ipv4));
    await wired.startDaemon();
    await wired.recover();
    await untilPutBack();
    expect(await wired.records()).toEqual([]);
    await wired.until(() => wired.answersFromLan(ipv4));
  });

  it('is taken down when NetworkManager is killed in the middle of that', async () => {
    await wired.ensure('eth0');
    const changed = wired.untilMasterChanges();
    const removed = wired.sweep().catch(() => {});
    await changed;
    await wired.restartManager();
    await removed;
    await wired.recover();
    await untilPutBack();
    await wired.until(() => wired.answersFromLan(ipv4));
  });

  it('takes over addresses and hardware address, and the LAN misses at most one ping either way', async () => {
    const before = await wired.addresses('eth0');
    const mac = await wired.hardwareAddress('eth0');
    const pings = await Promise.all([wired.pingFromLan(ipv4), wired.pingFromLan(ipv6)]);
    const bridge = await wired.ensure('eth0');
    expect(await wired.addresses(bridge)).toEqual(before);
    expect(await wired.addresses('eth0')).toEqual([]);
    expect(await wired.hardwareAddress(bridge)).toBe(mac);
    expect(await wired.wayOut()).toBe(bridge);
    expect(await wired.ensure('eth0')).toBe(bridge);
    for (const ping of pings) expect((await ping.stop()).lost).toBeLessThanOrEqual(1);

    const back = await Promise.all([wired.pingFromLan(ipv4), wired.pingFromLan(ipv6)]);
    await wired.sweep();
    expect(await wired.addresses('eth0')).toEqual(before);
    expect(await wired.wayOut()).toBe('eth0');
    for (const ping of back) expect((await ping.stop()).lost).toBeLessThanOrEqual(1);
    await untilPutBack();
    expect(await wired.records()).toEqual([]);
  });

  it('keeps the address that the host has while the DHCP server is silent', async () => {
    await wired.stopRouter();
    const ping = await wired.pingFromLan(ipv4);
    const bridge = await wired.ensure('eth0');
    expect((await wired.addresses(bridge)).map(plain)).toContain(ipv4);
    expect((await ping.stop()).lost).toBeLessThanOrEqual(1);
    const back = await wired.pingFromLan(ipv4);
    await wired.sweep();
    expect((await wired.addresses('eth0')).map(plain)).toContain(ipv4);
    expect((await back.stop()).lost).toBeLessThanOrEqual(1);
  });

  it('stays when NetworkManager is started anew, and is taken down by it later', async () => {
    const bridge = await wired.ensure('eth0');
    await wired.restartManager();
    await wired.until(async () => (await wired.connections().catch(() => [])).length === 3);
    await wired.until(async () => (await wired.addresses(bridge)).map(plain).includes(ipv4));
    expect(await wired.answersFromLan(ipv4)).toBe(true);
    await wired.sweep();
    await untilPutBack();
  });
});

describe('the facts of a wired link', () => {
  it('have the gateway, what NetworkManager knows, and that a bridge can be made', async () => {
    const [link] = await wired.links();
    expect(link).toMatchObject({
      name: 'eth0',
      kind: 'ethernet',
      metered: true,
      canBridge: true,
      newBridge: { possible: true, name: 'wdbr2' },
      gatewayMac: await wired.routerHardwareAddress(),
    });
    expect(link?.addresses.map(plain).sort()).toEqual([ipv4, ipv6].sort());
    expect(link?.mtu).toBeUndefined();
    await wired.ensure('eth0');
    const [bridged] = await wired.links();
    expect(bridged).toMatchObject({ bridge: 'wdbr2', metered: true, gatewayMac: link?.gatewayMac });
    expect(bridged?.newBridge).toBeUndefined();
  });
});
