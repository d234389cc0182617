import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WiredHost } from './bridge-fixture.ts';
import { Host, Namespace } from './network-fixture.ts';

const tap = 'wd-work';
const uplink = 'eth0';
const guestAddresses = ['10.79.0.150', 'fd79::150'];

let wired: WiredHost;
let lan: Namespace;
let host: Host;

beforeEach(async () => {
  wired = await WiredHost.start('network-manager');
  lan = Namespace.made(wired.lan);
  host = await Host.on(Namespace.made(wired.host));
  await host.createTap(tap);
  await host.join({ mode: 'routed', tap, uplink, guestAddresses });
  await untilFound();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
  await wired[Symbol.asyncDispose]();
});

/** The hardware address at which the LAN finds the guest, asked anew; undefined where nobody answers. */
async function foundAt(address: string): Promise<string | undefined> {
  await lan.run('ip', 'neigh', 'flush', 'to', address);
  await lan.ping(address, 1);
  return lan.neighbour(address);
}

async function untilFound(): Promise<void> {
  const mac = await wired.hardwareAddress(uplink);
  for (const address of guestAddresses) await wired.until(async () => (await foundAt(address)) === mac);
}

describe('a guest that is routed through an interface of NetworkManager', () => {
  it('is found again when the connection was down, at the hardware address that the host has then', async () => {
    const mac = '02:00:00:00:79:20';
    await wired.setHardwareAddress(mac);
    await wired.disconnect();
    await wired.reconnect();
    await wired.until(async () => (await wired.hardwareAddress(uplink)) === mac);
    await untilFound();
    expect(await foundAt(guestAddresses[0] as string)).toBe(mac);
  });

  it('is found while NetworkManager is killed, and when it has been started again', async () => {
    const before = await wired.addresses(uplink);
    await wired.restartManager();
    await untilFound();
    await wired.until(async () => (await wired.connections().catch(() => [])).length > 0);
    await wired.until(async () => (await wired.addresses(uplink)).join() === before.join());
    await untilFound();
    // The host itself has kept its way out, over both protocols.
    expect(await wired.wayOut()).toBe(uplink);
    expect(await host.namespace.run('ip', '-6', 'route', 'show', 'default')).toContain(`dev ${uplink}`);
  });
});
