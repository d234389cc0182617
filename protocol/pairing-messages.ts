import { z } from 'zod';

/**
 * What two devices say to each other while they pair: one JSON object a line, in this order, over a TLS connection
 * whose ALPN protocol is `pairingProtocol`. The device that was given the code is A of RFC 9382, the one that
 * shows it is B. A proves itself first, so that B tells nobody whether a guess was right before it has spent the code.
 *
 *     A: Hello   B: Answer   A: Proof   B: Proof   A: Stored   B: Stored
 *
 * Either says `Refusal` instead, and closes.
 */
export const pairingProtocol = 'wdock-pairing/1';

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
/** A point of P-256, SEC 1 uncompressed. */
const Share = hex(65);

export const Hello = z.strictObject({
  share: Share,
  /** What the device calls itself, and where it listens. */
  name: z.string().max(63),
  port: z.int().min(1).max(65535),
});
export const Answer = z.strictObject({ share: Share });
/** Key confirmation (RFC 9382, section 4): HMAC-SHA256 of the transcript. */
export const Proof = z.strictObject({ proof: hex(32) });
/** The other device is in the trust store, on the disk. */
export const Stored = z.strictObject({ stored: z.literal(true) });

/**
 * `busy`: too many try at once; `wrong-code`: it, or what is between the two, does not have the code; `closed`: the
 * code has been used, or its time is over; `not-stored`: proved, but it could not be added to the trust store.
 */
export const RefusalReason = z.enum(['busy', 'wrong-code', 'closed', 'not-stored']);
export type RefusalReason = z.infer<typeof RefusalReason>;
export const Refusal = z.strictObject({ refused: RefusalReason });
