import { createHmac, createPrivateKey, diffieHellman, hkdfSync } from 'node:crypto';
import { type DeviceId, parseCertificate } from '../../../pairing/fingerprint.ts';
import type { Identity } from '../../../pairing/identity.ts';

/** How long an identifier is announced, ms. Short enough that following one is of little use, long against clocks that differ. */
export const slotMs = 15 * 60_000;
/** Of an identifier as it is announced: 96 bits, base64url. */
export const idLength = 16;

const keyPurpose = 'wireless-dock/1 announcement key';
const idPurpose = 'wireless-dock/1 announced id';

/** The time slot, counted from 1970 in UTC. */
export function slotAt(timeMs: number): number {
  return Math.floor(timeMs / slotMs);
}

/**
 * What only the two devices of a pairing know, without another message: the Diffie-Hellman secret of their pinned keys
 * (NIST SP 800-56A, static-static), through HKDF (RFC 5869) with both fingerprints. It is used for announcements alone.
 * Throws where the other's key is of another kind than ours.
 */
export function announcementKey(own: Identity, other: { id: DeviceId; certificatePem: string }): Buffer {
  const secret = diffieHellman({
    privateKey: createPrivateKey(own.privateKeyPem),
    publicKey: parseCertificate(other.certificatePem).publicKey,
  });
  const both = Buffer.from([own.id, other.id].sort().join(''), 'hex');
  return Buffer.from(hkdfSync('sha256', secret, both, keyPurpose, 32));
}

/**
 * What `announcer` announces for the device with which it shares `key`, in this slot. It differs in each direction; who
 * has not the key can neither tell whose it is, nor find that of the next slot.
 */
export function announcedId(key: Buffer, announcer: DeviceId, slot: number): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(slot));
  const digest = createHmac('sha256', key)
    .update(idPurpose)
    .update(Buffer.from(announcer, 'hex'))
    .update(time)
    .digest();
  return digest.toString('base64url').slice(0, idLength);
}
