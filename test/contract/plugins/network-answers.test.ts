import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import { guestIp, guestIp6, type Host, TestLan, until } from './network-fixture.ts';

const tap = 'wd-work';
const uplink = 'wlan0';
const hostIp = '10.77.0.11/24';
const hostIp6 = 'fd77::11/64';
const routed: NetworkBinding = { mode: 'routed', tap, uplink, guestAddresses: [guestIp, guestIp6] };

let lan: TestLan;
let host: Host;

beforeEach(async () => {
  lan = await TestLan.create();
  host = lan.mobile;
  await host.createTap(tap);
  await lan.moveGuest(host, tap);
  await lan.setGuestIpv6('routed');
  await host.join(routed);
});

afterEach(async () => {
  await lan[Symbol.asyncDispose]();
});

async function setUplink(...words: string[]): Promise<void> {
  await host.namespace.run('ip', 'link', 'set', 'dev', uplink, ...words);
}

async function address(verb: 'add' | 'flush', ...words: string[]): Promise<void> {
  await host.namespace.run('ip', 'address', verb, ...words, 'dev', uplink);
}

async function answered(): Promise<string> {
  return (await host.namespace.run('ip', 'neigh', 'show', 'proxy', 'dev', uplink)).trim();
}

async function expectReached(): Promise<void> {
  for (const to of [guestIp, guestIp6]) await until(async () => (await lan.client.ping(to, 1)) === 0);
}

describe('a guest that is routed, whose host takes its Wi-Fi down', () => {
  it('is answered for again as soon as its host is on the LAN, also by way of another network', async () => {
    await setUplink('down');
    await address('flush');
    await setUplink('up');
    expect(await answered()).toBe('');
    await address('add', '10.99.0.11/24');
    await address('add', hostIp);
    await address('add', hostIp6, 'nodad');
    await expectReached();
  });

  it('is found at the new hardware address of its host at once', async () => {
    await expectReached();
    await setUplink('down');
    await setUplink('address', '02:00:00:00:77:11');
    await setUplink('up');
    await address('add', hostIp6, 'nodad');
    await until(async () => (await lan.client.neighbour(guestIp)) === '02:00:00:00:77:11');
    await expectReached();
  });

  it('is answered for no more when it has left meanwhile', async () => {
    await setUplink('down');
    await host.withdraw(tap);
    await setUplink('up');
    await address('add', '10.77.0.13/24');
    await host.join({ ...routed, guestAddresses: [guestIp6] });
    await until(async () => (await answered()).includes(guestIp6));
    expect(await answered()).not.toContain(guestIp);
  });
});

describe('the addresses of a guest that is not there', () => {
  it('have a taker where another computer answers for them, and none where nobody does', async () => {
    await host.withdraw(tap);
    const asked = ['10.77.0.77', 'fd77::77', ...routed.guestAddresses];
    expect(await host.findTakers(uplink, asked)).toEqual([]);
    const { client } = lan;
    await client.run('ip', 'address', 'add', '10.77.0.77/24', 'dev', 'eth0');
    await client.run('ip', 'address', 'add', 'fd77::77/64', 'dev', 'eth0', 'nodad');
    const mac = (await client.run('cat', '/sys/class/net/eth0/address')).trim();
    const takers = await host.findTakers(uplink, asked);
    expect(takers.toSorted()).toEqual([
      ['10.77.0.77', mac],
      ['fd77::77', mac],
    ]);
    // The guest is found where it was all the same, when it comes back.
    await host.join(routed);
    await expectReached();
  });
});
