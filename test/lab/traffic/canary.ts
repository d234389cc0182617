import { createHash } from 'node:crypto';

/** Length of a canary's marker, bytes: found by chance nowhere. */
const markerBytes = 32;
/** A marker begins every so many bytes; any piece of a canary of twice that has one whole. */
const strideBytes = 64;

/**
 * What is searched for. Made of its seed where it is needed, so that who asks for a canary sends no part of it.
 * @param seed any text
 */
export function canaryMarker(seed: string): Buffer {
  return createHash('sha256').update(`canary ${seed}`).digest();
}

/** A canary of so many bytes: the marker over and over, each with its number behind it, so that no two pages are alike. */
export function makeCanary(seed: string, bytes: number): Buffer {
  const marker = canaryMarker(seed);
  const canary = Buffer.alloc(bytes);
  for (let at = 0; at + strideBytes <= bytes; at += strideBytes) {
    marker.copy(canary, at);
    canary.writeUInt32LE(at / strideBytes, at + markerBytes);
  }
  return canary;
}

/** How many markers there are in the bytes. */
export function countMarkers(bytes: Buffer, marker: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + marker.length)) count++;
  return count;
}
