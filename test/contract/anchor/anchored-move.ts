import { guestMac } from '../plugins/network-fixture.ts';
import {
  anchoringTap,
  bridgedOnDesktop,
  carryingTap,
  guestTap,
  oldAddress,
  oldAddress6,
  routedOnMobile,
  type TwoLans,
} from './two-lans.ts';

const anchor = { addresses: [oldAddress, oldAddress6], mac: guestMac };

/** The guest is on the mobile device, in LAN A, as a host of that LAN. */
export async function atHome(lans: TwoLans): Promise<void> {
  const { mobile } = lans;
  await lans.moveGuest(mobile);
  await mobile.call('bind', routedOnMobile);
  await mobile.call('announce', routedOnMobile, guestMac, anchor.addresses);
  await lans.routeGuestIpv6();
}

/** The mobile device is ready to keep the guest's addresses. */
export async function offer({ mobile }: TwoLans): Promise<void> {
  await mobile.call('offerAnchor', { ...anchor, uplink: 'wlan0', anchorTap: anchoringTap });
  await mobile.call('prepareAnchor');
}

/** The desktop carries the traffic of the guest, whose tap is there. */
export async function carry({ mobile, desktop }: TwoLans): Promise<void> {
  const { id } = await mobile.call<{ id: string }>('self');
  await desktop.call('carry', { ...anchor, guestTap, anchorTap: carryingTap, deviceId: id });
}

/** The guest moves to the desktop, in LAN B, with an anchor on the mobile device. */
export async function moveAway(lans: TwoLans): Promise<void> {
  const { mobile, desktop } = lans;
  await offer(lans);
  await mobile.call('withdraw', guestTap);
  await mobile.call('beginAnchor');
  await lans.moveGuest(desktop);
  await carry(lans);
  await desktop.call('bind', bridgedOnDesktop);
  await desktop.call('announce', bridgedOnDesktop, guestMac, []);
  await lans.readdressGuest();
  await desktop.untilTold(/^connected/);
}
