import { DockError } from '../../protocol/dock-error.ts';

/** Of a guest's memory not even this part is free, zero or repeated so often that an image takes less: refused below. */
const leastShare = 1 / 32;

/**
 * Throws `does-not-fit` where an image cannot have room: what it takes is known only when it is written, so what is refused
 * is what has never been seen to be enough. Returns what to say where it may not be enough.
 */
export function requireRoomFor(
  memoryMiB: number,
  freeBytes: number,
  reusableBytes: number,
  path: string,
): string | undefined {
  const mebibyte = 1024 * 1024;
  const freeMiB = Math.floor(freeBytes / mebibyte);
  const haveMiB = freeMiB + Math.floor(reusableBytes / mebibyte);
  const leastMiB = Math.ceil(memoryMiB * leastShare);
  if (haveMiB < leastMiB) {
    throw new DockError(
      'does-not-fit',
      `${path} has ${freeMiB} MiB free, and an image of ${memoryMiB} MiB of memory takes at least ${leastMiB} MiB; make room there, or take another drive`,
      { detail: { freeMiB, neededMiB: leastMiB } },
    );
  }
  if (haveMiB >= memoryMiB) return undefined;
  return `${freeMiB} MiB are free there for ${memoryMiB} MiB of memory: when it does not fit, the VM runs on here`;
}
