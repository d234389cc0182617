import { z } from 'zod';
import type { NetworkNamespace } from './network-namespace.ts';

/** Frames that came from the station, by sender. */
export type FramesBySender = ReadonlyMap<string, number>;

/**
 * What an access point does with frames from its station: it takes none whose sender is not the station itself. Every
 * frame is counted by its sender first, before a bridge could have taken it away.
 */
export function accessPointRules(port: string, stationMac: string): string {
  return `table netdev access_point {
  set senders {
    type ether_addr
    size 1024
    flags dynamic
    counter
  }
  chain from_station {
    type filter hook ingress device "${port}" priority 0; policy accept;
    update @senders { ether saddr }
  }
}
table bridge access_point {
  chain from_station {
    type filter hook prerouting priority 0; policy accept;
    iifname "${port}" ether saddr != ${stationMac} drop
  }
}`;
}

/** Sends a copy of each frame from the station to another device of the access point. */
export function mirrorRule(device: string): string {
  return `add rule netdev access_point from_station dup to "${device}"`;
}

const SenderSet = z.object({
  nftables: z.array(
    z.object({
      set: z
        .object({
          elem: z
            .array(z.object({ elem: z.object({ val: z.string(), counter: z.object({ packets: z.int() }) }) }))
            .default([]),
        })
        .optional(),
    }),
  ),
});

/** Counted since the lab was made. */
export async function readFramesBySender(
  lan: NetworkNamespace,
  signal: AbortSignal,
): Promise<FramesBySender> {
  const listed = await lan.run(['nft', '-j', 'list', 'set', 'netdev', 'access_point', 'senders'], signal);
  const sets = SenderSet.parse(JSON.parse(listed)).nftables.flatMap(({ set }) => set?.elem ?? []);
  return new Map(sets.map(({ elem }) => [elem.val, elem.counter.packets]));
}
