import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guestMac } from '../plugins/network-fixture.ts';
import {
  anchoringTap,
  bridgedOnDesktop,
  Conversation,
  carryingTap,
  clientB,
  guestTap,
  newAddress,
  oldAddress,
  routedOnMobile,
  TwoLans,
} from './two-lans.ts';

let lans: TwoLans;

beforeEach(async () => {
  lans = await TwoLans.create();
});

afterEach(async () => {
  await lans[Symbol.asyncDispose]();
});

const anchor = { addresses: [oldAddress], mac: guestMac };

/** The guest is on the mobile device, in LAN A, as a host of that LAN. */
async function atHome(): Promise<void> {
  const { mobile } = lans;
  await lans.moveGuest(mobile);
  await mobile.call('bind', routedOnMobile);
  await mobile.call('announce', routedOnMobile, guestMac, [oldAddress]);
}

/** It moves to the desktop, in LAN B, with an anchor on the mobile device. */
async function moveAway(): Promise<void> {
  const { mobile, desktop } = lans;
  const { id } = await mobile.call<{ id: string }>('self');
  await mobile.call('offerAnchor', { ...anchor, uplink: 'wlan0', anchorTap: anchoringTap });
  await mobile.call('prepareAnchor');
  await mobile.call('withdraw', guestTap);
  await mobile.call('beginAnchor');
  await lans.moveGuest(desktop);
  await desktop.call('carry', { ...anchor, guestTap, anchorTap: carryingTap, deviceId: id });
  await desktop.call('bind', bridgedOnDesktop);
  await desktop.call('announce', bridgedOnDesktop, guestMac, []);
  await lans.readdressGuest();
  await desktop.untilTold(/^connected/);
}

describe('a guest that moves to another LAN', () => {
  it('keeps a TCP connection of its old address, and has the new address beside it', async () => {
    await atHome();
    await using conversation = await Conversation.open(lans.guest, lans.clientA, oldAddress, 5001);
    await moveAway();
    await conversation.say('from LAN B');
    expect(await lans.clientB.ping(newAddress)).toBe(0);
    expect(await lans.guest.ping(clientB)).toBe(0);
    expect(await lans.clientA.ping(newAddress)).toBe(0);
  });
});
