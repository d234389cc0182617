import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { DockError } from '../../protocol/dock-error.ts';

/**
 * SPAKE2 (RFC 9382) with P-256, SHA-256, HKDF and HMAC: two ends that know the same low-entropy secret prove that to
 * each other; whoever is in between, or plays one end, learns from each run whether one guess was right, and nothing
 * else. `w` is that secret as a scalar (secret-of-code.ts).
 */
export type Spake2Role = 'a' | 'b';

const { Point } = p256;
type CurvePoint = InstanceType<typeof Point>;
const order = Point.Fn.ORDER;

/** The two constants of section 6 for P-256; nobody knows their discrete logarithms. */
const blinding: Record<Spake2Role, CurvePoint> = {
  a: Point.fromHex('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f'), // M
  b: Point.fromHex('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49'), // N
};
const otherRole: Record<Spake2Role, Spake2Role> = { a: 'b', b: 'a' };

/** A fresh secret scalar, for one run. */
export function randomScalar(): bigint {
  return Point.Fn.fromBytes(p256.utils.randomSecretKey());
}

/**
 * Bytes that are uniform become a scalar that is, in [1, order): 16 bytes more than the order has leave a bias of 2^-128
 * (section 3.2 asks for 64 bits). Throws `internal` for zero, which no input is known to give.
 */
export function scalarFromUniform(bytes: Uint8Array): bigint {
  if (bytes.length < Point.Fn.BYTES + 8) throw new DockError('internal', 'too few bytes for a scalar');
  const scalar = BigInt(`0x${Buffer.from(bytes).toString('hex')}`) % order;
  if (scalar === 0n) throw new DockError('internal', 'the code became the scalar 0; try another code');
  return scalar;
}

/** pA or pB, what this end sends: `secret * G + w * M` (or N). */
export function computeShare(role: Spake2Role, w: bigint, secret: bigint): Uint8Array {
  return Point.BASE.multiply(secret).add(blinding[role].multiply(w)).toBytes(false);
}

/**
 * K, from what the other end sent. Throws `protocol` for bytes that are no point of the curve, for its identity, and
 * where K would be the identity: an end that knows the secret sends none of them. (P-256 has cofactor 1.)
 */
export function computeSharedPoint(
  role: Spake2Role,
  w: bigint,
  secret: bigint,
  otherShare: Uint8Array,
): Uint8Array {
  const share = readPoint(otherShare);
  const unblinded = share.subtract(blinding[otherRole[role]].multiply(w));
  if (unblinded.is0()) throw new DockError('protocol', 'the other end sent a share without a secret in it');
  return unblinded.multiply(secret).toBytes(false);
}

function readPoint(bytes: Uint8Array): CurvePoint {
  try {
    if (bytes.length !== 65) throw new Error(`${bytes.length} bytes instead of 65`);
    const point = Point.fromBytes(bytes);
    point.assertValidity(); // on the curve, and not the identity
    return point;
  } catch (error) {
    throw new DockError('protocol', `the other end sent no point of P-256: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export interface Spake2Transcript {
  /** Who the ends say they are; both have to mean the same two. */
  readonly identityA: string;
  readonly identityB: string;
  readonly shareA: Uint8Array;
  readonly shareB: Uint8Array;
  readonly sharedPoint: Uint8Array;
  readonly w: bigint;
}

/** TT of section 3.3: each part after its length, 8 bytes, little-endian. */
export function encodeTranscript(transcript: Spake2Transcript): Buffer {
  const { identityA, identityB, shareA, shareB, sharedPoint, w } = transcript;
  const parts = [
    Buffer.from(identityA),
    Buffer.from(identityB),
    shareA,
    shareB,
    sharedPoint,
    Point.Fn.toBytes(w),
  ];
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(part.length));
      return [length, part];
    }),
  );
}

/** What each end sends to prove that it has come to the same transcript. */
export interface Spake2Proofs {
  readonly a: Buffer;
  readonly b: Buffer;
}

/** Section 4. `context` (AAD in the RFC): what both ends have to agree on besides. */
export function computeProofs(transcript: Buffer, context: Uint8Array): Spake2Proofs {
  const hash = createHash('sha256').update(transcript).digest();
  const confirmationKey = hash.subarray(16); // Ka; Ke, the first half, has no use here: the channel has keys already
  const info = Buffer.concat([Buffer.from('ConfirmationKeys'), context]);
  const keys = Buffer.from(hkdfSync('sha256', confirmationKey, Buffer.alloc(0), info, 32));
  const proof = (key: Uint8Array) => createHmac('sha256', key).update(transcript).digest();
  return { a: proof(keys.subarray(0, 16)), b: proof(keys.subarray(16)) };
}

/** In a time that does not tell how much of it is right. */
export function isProof(expected: Buffer, given: Uint8Array): boolean {
  return given.length === expected.length && timingSafeEqual(expected, given);
}
