import type { GuestState } from '../../protocol/guest-state.ts';
import type { GuestSummary } from '../../protocol/outcome.ts';

/** The few numbers of a guest that an outcome shows; all were read inside it. */
export function summarizeGuest(state: GuestState): GuestSummary {
  const { display, network } = state;
  return {
    vcpus: state.vcpus.online,
    memoryMiB: Math.round(state.memory.totalMiB),
    display:
      display === undefined
        ? null
        : { width: display.widthPx, height: display.heightPx, scale: display.scale },
    network: { mode: network.mode ?? null, addresses: [...network.addresses] },
    agentVersion: state.agentVersion,
  };
}
