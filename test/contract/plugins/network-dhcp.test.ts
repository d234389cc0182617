import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { clientIp, guestIp, guestMac, serve, TestLan, until } from './network-fixture.ts';

const tap = 'wd-work';
const routed: NetworkBinding = {
  mode: 'routed',
  tap,
  uplink: 'wlan0',
  guestAddresses: [guestIp],
  guestMac,
};
const serverIp = '10.77.0.1';
const client = fileURLToPath(new URL('./dhcp-child.ts', import.meta.url));

let lan: TestLan;
let cleanup: AsyncDisposableStack;

beforeEach(async () => {
  lan = await TestLan.create();
  cleanup = new AsyncDisposableStack();
  await lan.switch.run('ip', 'address', 'add', `${serverIp}/24`, 'dev', 'sw');
});

afterEach(async () => {
  await cleanup.disposeAsync();
  await lan[Symbol.asyncDispose]();
});

async function startServer(): Promise<void> {
  const range = ['--interface=sw', '--bind-interfaces', '--port=0', '--dhcp-range=10.77.0.40,10.77.0.90,10m'];
  const leases = `--dhcp-leasefile=${join(lan.desktop.runtimeFolder, 'lan.leases')}`;
  const known = `--dhcp-host=${guestMac},${guestIp}`;
  cleanup.use(await serve(lan.switch, ...range, leases, known, '--dhcp-authoritative', '--no-ping'));
}

interface Given {
  address: string;
  server: string;
  router: string;
  relay: string;
  lease: number;
}

async function ask(...words: string[]): Promise<Given | null> {
  await lan.guest.run('ip', 'route', 'replace', '255.255.255.255', 'dev', 'eth0');
  return JSON.parse(await lan.guest.run(process.execPath, client, ...words)) as Given | null;
}

/** Command lines of all dnsmasq that serve this tap of this host. */
async function servers(): Promise<string[]> {
  const found = await lan.mobile.namespace.run(
    'sh',
    '-c',
    `grep -lsa 'interface=${tap}' /proc/[0-9]*/cmdline | while read f; do tr '\\0' ' ' < $f; echo; done`,
  );
  return found
    .split('\n')
    .filter((line) => line.startsWith('dnsmasq') && line.includes(lan.mobile.runtimeFolder));
}

describe('DHCP of a routed guest', () => {
  it('is not served where no server answers on the LAN, and that is known', async () => {
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    expect(await lan.mobile.servesDhcp(tap)).toBe(false);
    expect(await servers()).toEqual([]);
    expect(await lan.client.ping(guestIp)).toBe(0);
  });

  it('is passed on to the server of the LAN, which gives the same address as on the LAN', async () => {
    await startServer();
    await lan.desktop.createTap(tap);
    await lan.moveGuest(lan.desktop, tap);
    await lan.desktop.join({ mode: 'bridged', tap, bridge: 'br0' });
    const onBridge = await ask('discover', guestMac);
    expect(onBridge).toMatchObject({ address: guestIp, server: serverIp, relay: '0.0.0.0' });

    await lan.desktop.withdraw(tap);
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    expect(await lan.mobile.servesDhcp(tap)).toBe(true);
    expect(await ask('discover', guestMac)).toEqual({ ...onBridge, relay: '10.77.0.11' });
    expect(await ask('renew', guestMac, guestIp, serverIp)).toMatchObject({ address: guestIp });
    expect(await ask('rebind', guestMac, guestIp)).toMatchObject({ address: guestIp, relay: '10.77.0.11' });
    expect(await lan.client.ping(guestIp)).toBe(0);
    expect(await lan.guest.ping(clientIp)).toBe(0);
  });

  it('is given to a guest that has no address any more', async () => {
    await startServer();
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    await lan.mobile.join(routed);
    await lan.guest.run('ip', 'address', 'flush', 'dev', 'eth0');
    expect(await ask('discover', guestMac)).toMatchObject({ address: guestIp, server: serverIp });
  });

  it('goes on when wdockd is killed, and its successor ends it', async () => {
    await startServer();
    await lan.mobile.createTap(tap);
    await lan.moveGuest(lan.mobile, tap);
    const addresses = () => lan.mobile.namespace.run('ip', '-o', 'address', 'show', 'dev', tap);
    const before = await addresses();
    await lan.mobile.join(routed);
    await lan.mobile.kill();
    expect(await servers()).toHaveLength(1);
    expect(await ask('rebind', guestMac, guestIp)).toMatchObject({ address: guestIp });
    await lan.mobile.start();
    expect(await lan.mobile.servesDhcp(tap)).toBe(true);
    await lan.mobile.withdraw(tap);
    await until(async () => (await servers()).length === 0);
    expect(await addresses()).toBe(before);
    expect(await readdir(join(lan.mobile.runtimeFolder, 'network'))).toEqual([]);
  });

  it('is asked for once more when the guest is bound again', async () => {
    await startServer();
    await lan.mobile.createTap(tap);
    await lan.mobile.bind(routed);
    await lan.mobile.bind(routed);
    expect(await servers()).toHaveLength(1);
    expect(await lan.mobile.servesDhcp(tap)).toBe(true);
  });
});
