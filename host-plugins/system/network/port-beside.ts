import { DockError } from '../../../protocol/dock-error.ts';
import { type NetworkBinding, tapPrefix } from './binding.ts';
import { ip, ipBatch, unlessGone } from './ip-command.ts';
import { writeIfThere } from './kernel-settings.ts';
import { portName } from './port-rules.ts';
import { withoutIpv6 } from './tap-settings.ts';

type BesideBinding = NetworkBinding & { readonly mode: 'beside' };

/**
 * Gives a link a port of its own for the guest (a macvlan interface): it takes in what is for the guest's hardware address, and
 * sends what comes out of it as it is. The link itself, its addresses, routes and settings stay as they are, and nothing
 * goes between the two. The host has no address at the port, and answers nothing there.
 *
 * Not a macvtap, which QEMU would have to open instead of the tap: a card stays with the tap that it was started with.
 */
export async function makePort({ tap, link, guestMac }: BesideBinding, signal: AbortSignal): Promise<void> {
  const port = portName(tap);
  const kind = ['type', 'macvlan', 'mode', 'bridge'];
  await ip(['link', 'add', 'link', link, 'name', port, 'address', guestMac, ...kind], signal);
  await writeIfThere(withoutIpv6(port), signal);
  // Which groups the guest listens to, is not known: it gets what is for all of them.
  await ipBatch([['link', 'set', 'dev', port, 'allmulticast', 'on', 'arp', 'off', 'up']], signal);
}

export async function removePort(tap: string, signal: AbortSignal): Promise<void> {
  await unlessGone(['ip', 'link', 'delete', 'dev', portName(tap)], signal);
}

/** Why a link can have no port, as on a kernel without macvlan; undefined where it can. Leaves nothing. */
export async function findObstacle(link: string, signal: AbortSignal): Promise<string | undefined> {
  const probe = portName(`${tapPrefix}${process.pid}`);
  try {
    await ip(['link', 'add', 'link', link, 'name', probe, 'type', 'macvlan', 'mode', 'bridge'], signal);
    await unlessGone(['ip', 'link', 'delete', 'dev', probe], signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return DockError.from(error).message;
  }
}
