import type { Allocation } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { Shortfall } from '../../protocol/outcome.ts';

const behindInstead =
  'it came from another LAN and has no address that could be routed to it on this one, so it is behind its host';

/** Compares with how the guest finds itself attached, and looks whether it has an address. */
export function verifyNetwork(to: Allocation, after: GuestState): Shortfall[] {
  const { mode, addresses } = after.network;
  const shortfalls: Shortfall[] = [];
  const notes = after.notes
    .filter((note) => /network|gateway|neighbo|connection|interface/i.test(note))
    .join('; ');
  if (mode !== to.network.mode) {
    shortfalls.push({
      resource: 'network',
      requested: to.network.mode,
      actual: mode ?? 'unknown',
      reason:
        notes ||
        (to.network.mode === 'routed' && mode === 'nat' ? behindInstead : undefined) ||
        (mode === undefined ? 'the guest cannot tell how it is attached' : 'the guest sees otherwise'),
    });
  }
  if (!addresses.some((address) => address.includes('.'))) {
    shortfalls.push({
      resource: 'network',
      requested: 'an IPv4 address in the guest',
      actual: addresses.length === 0 ? 'none' : addresses.join(', '),
      reason: notes || 'the guest has none; is there a DHCP server on this network?',
    });
  }
  return shortfalls;
}
