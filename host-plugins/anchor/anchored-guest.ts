import { DockError } from '../../protocol/dock-error.ts';
import { tapHardwareAddress } from '../system/network/binding.ts';
import { type AddressKey, addressKey } from '../system/network/ip-address.ts';
import { macBytes } from '../system/network/neighbour-frames.ts';

/** The guest as both ends of an anchor know it. */
export interface AnchoredGuest {
  /** The addresses that stay reachable, IPv4 and IPv6, without prefix length. */
  readonly addresses: readonly string[];
  /** The guest's hardware address. */
  readonly mac: string;
}

/** The same in bytes, to look at packets with. */
export interface GuestBytes {
  readonly addresses: ReadonlySet<AddressKey>;
  readonly mac: Uint8Array;
  /** Of the host's end of the guest's tap, which is the same on every host. */
  readonly hostMac: Uint8Array;
}

/** Throws `usage` for what is no address. */
export function guestBytes({ addresses, mac }: AnchoredGuest): GuestBytes {
  const keys = addresses.map((address) => {
    const key = addressKey(address);
    if (key === undefined) throw new DockError('usage', `"${address}" is no IP address`);
    return key;
  });
  return { addresses: new Set(keys), mac: macBytes(mac), hostMac: macBytes(tapHardwareAddress(mac)) };
}
