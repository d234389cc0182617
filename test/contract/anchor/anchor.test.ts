import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guestMac, until } from '../plugins/network-fixture.ts';
import { atHome, carry, moveAway, offer } from './anchored-move.ts';
import {
  anchoringTap,
  Conversation,
  carryingTap,
  clientA,
  clientB,
  guestTap,
  newAddress,
  newAddress6,
  oldAddress,
  oldAddress6,
  TwoLans,
} from './two-lans.ts';

let lans: TwoLans;

beforeEach(async () => {
  lans = await TwoLans.create();
  await atHome(lans);
});

afterEach(async () => {
  await lans[Symbol.asyncDispose]();
});

const talk = (address: string, port = 5001): Promise<Conversation> =>
  Conversation.open(lans.guest, lans.clientA, address, port);

describe('a channel of an anchor', () => {
  it('is refused to a device that does not have the guest', async () => {
    await offer(lans);
    await lans.mobile.call('setMayCarry', false);
    await lans.moveGuest(lans.desktop);
    await carry(lans);
    await lans.desktop.untilTold(/does not have the guest whose addresses are kept here/);
  });

  it.each([
    ['a frame of no known kind', '0003990102'],
    ['an IP packet that says another length', '0014450000990000000040110000'.concat('0a4d0032', '0a4d0064')],
    // From 10.77.0.77, which is somebody else's address on LAN A.
    ['a packet from another address', '0014450000140000000040110000'.concat('0a4d004d', '0a4d0064')],
    ['a packet to everybody', '0014450000140000000040110000'.concat('0a4d0032', 'ffffffff')],
  ])('is closed with a reason by the device that keeps the addresses: %s', async (_what, bytes) => {
    await offer(lans);
    const { id } = await lans.mobile.call<{ id: string }>('self');
    await lans.desktop.call('sendRaw', id, bytes);
    await lans.mobile.untilTold(/^lost: (?!closed)/);
    await expect(lans.mobile.call('beginAnchor')).resolves.toBeUndefined();
  });
});

describe('a guest that moves to another LAN', () => {
  it('keeps TCP connections of its old addresses, and has the new addresses beside them', async () => {
    await using ipv4 = await talk(oldAddress);
    await using ipv6 = await talk(oldAddress6, 5002);
    await moveAway(lans);
    await Promise.all([ipv4.say('from LAN B'), ipv6.say('from LAN B')]);
    expect(await lans.clientB.ping(newAddress)).toBe(0);
    expect(await lans.clientB.ping(newAddress6)).toBe(0);
    expect(await lans.guest.ping(clientB)).toBe(0);
    expect(await lans.clientA.ping(newAddress)).toBe(0);
    // New connections to the old address arrive as well.
    await using later = await talk(oldAddress, 5003);
    await later.say('later');
  });

  it('is not mistaken for another: a host of LAN B, and its own host, have the address of its client', async () => {
    await using conversation = await talk(oldAddress);
    for (const other of [lans.clientB, lans.desktop.namespace]) {
      await other.run('ip', 'address', 'add', `${clientA}/32`, 'dev', 'lo');
    }
    await moveAway(lans);
    await conversation.say('to the one on LAN A');
  });

  it('shows nothing of its old addresses to LAN B', async () => {
    const { router } = lans;
    await router.run('nft', 'add', 'table', 'netdev', 'probe');
    await router.run(
      'nft',
      'add chain netdev probe in { type filter hook ingress device "desktop" priority 0; }',
    );
    for (const match of [
      `arp saddr ip ${oldAddress}`,
      `arp daddr ip ${oldAddress}`,
      `ip saddr ${oldAddress}`,
      `ip6 saddr ${oldAddress6} icmpv6 type != nd-neighbor-solicit`,
    ]) {
      await router.run('nft', `add rule netdev probe in ${match} counter`);
    }
    await using conversation = await talk(oldAddress);
    await using ipv6 = await talk(oldAddress6, 5002);
    await moveAway(lans);
    await lans.guest.run('ip', 'neigh', 'flush', 'dev', 'eth0');
    await Promise.all([conversation.say('quietly'), ipv6.say('quietly')]);
    // The kernel then announces every address of the interface.
    await lans.guest.setting('conf/eth0/arp_notify', '1');
    await lans.guest.run('ip', 'link', 'set', 'eth0', 'address', guestMac);
    const listed = await router.run('nft', 'list', 'chain', 'netdev', 'probe', 'in');
    expect([...listed.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count))).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('talks on where nobody on LAN B answers for its gateway', async () => {
    await using conversation = await talk(oldAddress);
    await moveAway(lans);
    await lans.guest.run('ip', 'route', 'add', `${clientA}/32`, 'via', '10.78.0.99');
    await conversation.say('answered by its host');
  });
});

describe('an anchor', () => {
  it('goes on after the link between the devices was cut', async () => {
    await using conversation = await talk(oldAddress);
    await moveAway(lans);
    const { router } = lans;
    await router.run(
      'nft',
      'add table inet cut; add chain inet cut f { type filter hook forward priority 0; }',
    );
    await router.run('nft', 'add rule inet cut f ip saddr 10.78.0.12 ip daddr 10.77.0.11 drop');
    await router.run('nft', 'add rule inet cut f ip saddr 10.77.0.11 ip daddr 10.78.0.12 drop');
    const answer = conversation.say('through the cut');
    await lans.desktop.untilTold(/^connecting/);
    await router.run('nft', 'delete', 'table', 'inet', 'cut');
    await lans.desktop.untilTold(/^connected/);
    await answer;
  });

  it('goes on with a successor of a killed process on either side', async () => {
    await using conversation = await talk(oldAddress);
    await moveAway(lans);
    await lans.desktop.kill();
    await lans.desktop.start();
    await lans.pair();
    await carry(lans);
    await conversation.say('after the end of the carrying one');
    await lans.mobile.kill();
    await lans.mobile.start();
    await lans.pair();
    await offer(lans);
    await lans.mobile.call('beginAnchor');
    await carry(lans);
    await conversation.say('after the end of the keeping one');
  });

  it('leaves nothing on either device when it is over', async () => {
    await moveAway(lans);
    await lans.desktop.call('finishCarrying');
    await lans.mobile.untilTold(/^over/);
    await lans.mobile.call('endAnchor');
    expect(await lans.clientA.ping(oldAddress, 1)).toBe(1);
    const found = async (device: typeof lans.mobile, command: string): Promise<string> =>
      device.namespace.run('sh', '-c', command);
    const mobile = await found(lans.mobile, 'ip -br link; ip neigh show proxy; ip route; nft list ruleset');
    expect(mobile).not.toContain(anchoringTap);
    expect(mobile).not.toContain(oldAddress);
    const desktop = await found(lans.desktop, 'ip -br link; nft list ruleset');
    expect(desktop).not.toContain(carryingTap);
    expect(desktop).toContain(guestTap);
    await until(async () => (await found(lans.desktop, 'cat /proc/net/udp')).split('\n').length <= 2);
  });
});
