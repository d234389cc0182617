import { z } from 'zod';

/** One pair of addresses that traffic flows between: the guest's and the own one, both of one family. */
export const TrafficWay = z.strictObject({
  /** In the names of its flows, e.g. `ipv4`. */
  name: z.string(),
  guest: z.string(),
  own: z.string(),
});
export type TrafficWay = z.infer<typeof TrafficWay>;

export const TrafficOptions = z.strictObject({
  ways: z.array(TrafficWay).min(1),
  /** Of each flow, in each direction. */
  bitsPerS: z.int().min(1),
});
export type TrafficOptions = z.infer<typeof TrafficOptions>;

/** A TCP connection with known content, to the guest and back. */
export const FlowSeen = z.object({
  name: z.string(),
  open: z.boolean(),
  ended: z.string().optional(),
  sentBytes: z.int(),
  receivedBytes: z.int(),
  mismatches: z.int(),
  firstMismatch: z.object({ block: z.int(), finding: z.string() }).optional(),
  longestSilenceMs: z.number(),
  silentFromMs: z.number(),
});

/** A stream of numbered datagrams that the guest sends back. */
export const DatagramsSeen = z.object({
  name: z.string(),
  sent: z.int(),
  answered: z.int(),
  /** Sent longer ago than the longest silence, and not answered. */
  lost: z.int(),
  doubled: z.int(),
  longestSilenceMs: z.number(),
  silentFromMs: z.number(),
});

/** What the client has seen; silences are since the last mark, everything else since the start. */
export const TrafficSeen = z.object({ flows: z.array(FlowSeen), datagrams: z.array(DatagramsSeen) });
export type TrafficSeen = z.infer<typeof TrafficSeen>;
