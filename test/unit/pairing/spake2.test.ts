import { createHash } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { describe, expect, it } from 'vitest';
import {
  computeProofs,
  computeShare,
  computeSharedPoint,
  encodeTranscript,
  isProof,
  randomScalar,
  type Spake2Role,
  scalarFromUniform,
} from '../../../host-plugins/pairing/spake2.ts';
import { vectors } from './rfc9382-vectors.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const scalar = (hex: string) => BigInt(`0x${hex}`);
const hexOf = (data: Uint8Array) => Buffer.from(data).toString('hex');
const nothing = new Uint8Array(0);

/** One run; `wB`: what B takes for the secret. */
function run(wA: bigint, wB: bigint, contextA = nothing, contextB = nothing) {
  const [x, y] = [randomScalar(), randomScalar()];
  const [shareA, shareB] = [computeShare('a', wA, x), computeShare('b', wB, y)];
  const proofsOf = (role: Spake2Role, w: bigint, secret: bigint, other: Uint8Array, context: Uint8Array) => {
    const sharedPoint = computeSharedPoint(role, w, secret, other);
    const names = { identityA: 'mid', identityB: 'pc' };
    return computeProofs(encodeTranscript({ ...names, shareA, shareB, sharedPoint, w }), context);
  };
  return { a: proofsOf('a', wA, x, shareB, contextA), b: proofsOf('b', wB, y, shareA, contextB) };
}

describe('what the other end sends as its share', () => {
  const { w, x, shareB } = vectors[0];
  const offCurve = bytes(shareB);
  offCurve[64] = (offCurve[64] ?? 0) ^ 1;
  it.each([
    ['is not on the curve', offCurve],
    ['is the identity', bytes('00')],
    ['has zeros for coordinates', Buffer.concat([bytes('04'), Buffer.alloc(64)])],
    ['is compressed', bytes('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f')],
    ['is cut off', bytes(shareB).subarray(0, 64)],
    ['has coordinates beyond the field', Buffer.concat([bytes('04'), Buffer.alloc(64, 0xff)])],
    ['is empty', Buffer.alloc(0)],
  ])('is refused when it %s', (_what, share) => {
    expect(() => computeSharedPoint('a', scalar(w), scalar(x), share)).toThrow(/no point of P-256/);
  });

  it('is refused when it is the blinding alone, which would make the shared point the identity', () => {
    const blindingAlone = p256.Point.fromBytes(computeShare('b', scalar(w), 1n)).subtract(p256.Point.BASE);
    expect(() => computeSharedPoint('a', scalar(w), scalar(x), blindingAlone.toBytes(false))).toThrow(
      /without a secret in it/,
    );
  });
});

describe('two ends', () => {
  it('with different codes come to different proofs, in both directions', () => {
    const { a, b } = run(5n, 6n);
    expect(isProof(a.b, b.b)).toBe(false);
    expect(isProof(b.a, a.a)).toBe(false);
  });

  it('with the same code, on two channels, come to different proofs', () => {
    const { a, b } = run(5n, 5n, bytes('01'), bytes('02'));
    expect(isProof(a.b, b.b)).toBe(false);
    expect(isProof(b.a, a.a)).toBe(false);
  });

  it('with the same code come to the same proofs, which are new in each run', () => {
    const { a, b } = run(5n, 5n);
    expect(a).toEqual(b);
    expect(isProof(a.a, a.b)).toBe(false);
    expect(run(5n, 5n).a.a).not.toEqual(a.a);
  });
});

describe('a proof', () => {
  const { a } = run(5n, 5n);
  it.each([0, 31, 33])('of %i bytes is none', (length) => {
    expect(isProof(a.a, Buffer.alloc(length))).toBe(false);
  });

  it('with one bit turned is none', () => {
    const turned = Buffer.from(a.a);
    turned[31] = (turned[31] ?? 0) ^ 1;
    expect(isProof(a.a, turned)).toBe(false);
    expect(isProof(a.a, Buffer.from(a.a))).toBe(true);
  });
});

describe('the vectors of RFC 9382, appendix B', () => {
  it.each(vectors)('A="$identityA", B="$identityB"', (vector) => {
    const [w, x, y] = [scalar(vector.w), scalar(vector.x), scalar(vector.y)];
    expect(hexOf(computeShare('a', w, x))).toBe(vector.shareA);
    expect(hexOf(computeShare('b', w, y))).toBe(vector.shareB);
    expect(hexOf(computeSharedPoint('a', w, x, bytes(vector.shareB)))).toBe(vector.sharedPoint);
    expect(hexOf(computeSharedPoint('b', w, y, bytes(vector.shareA)))).toBe(vector.sharedPoint);
    const { identityA, identityB } = vector;
    const transcript = encodeTranscript({
      identityA,
      identityB,
      shareA: bytes(vector.shareA),
      shareB: bytes(vector.shareB),
      sharedPoint: bytes(vector.sharedPoint),
      w,
    });
    expect(createHash('sha256').update(transcript).digest('hex')).toBe(vector.hash);
    const { a, b } = computeProofs(transcript, nothing);
    expect([hexOf(a), hexOf(b)]).toEqual([vector.proofA, vector.proofB]);
  });
});

describe('a scalar', () => {
  it('is not made of too few bytes', () => {
    expect(() => scalarFromUniform(Buffer.alloc(39, 1))).toThrow(/too few/);
  });

  it('is never zero, and below the order', () => {
    expect(() => scalarFromUniform(Buffer.alloc(48))).toThrow(/scalar 0/);
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    expect(scalarFromUniform(Buffer.alloc(48, 0xff)) < order).toBe(true);
  });
});
