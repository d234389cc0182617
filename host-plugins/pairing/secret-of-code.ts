import { scrypt } from 'node:crypto';
import type { DeviceId } from './fingerprint.ts';
import { scalarFromUniform } from './spake2.ts';

/**
 * 32 MiB and about a tenth of a second of a PC's core; a small device still has both. It makes guessing dearer for
 * somebody who has recorded a run and can break the curve: SPAKE2 itself allows no guessing afterwards. It runs once
 * for each code on the device that shows it, so that strangers cannot make it work.
 */
const hardness = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;

/** SPAKE2's `w`: the code through scrypt (RFC 7914), salted with the device that shows it. */
export async function secretOfCode(code: string, shownBy: DeviceId): Promise<bigint> {
  const salt = Buffer.concat([Buffer.from('wireless-dock pairing 1\0'), Buffer.from(shownBy, 'hex')]);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(code, salt, 48, hardness, (error, key) => (error === null ? resolve(key) : reject(error)));
  return scalarFromUniform(await promise);
}
