import { open, readFile, writeFile } from 'node:fs/promises';
import { canaryMarker, countMarkers, makeCanary } from './canary.ts';

/** Larger than all that the tunnel may hold at a time, bytes. */
const canaryBytes = 8 * 1024 * 1024;
const folder = '/var/tmp';

/** Kept for as long as this process lives. */
const planted: Buffer[] = [];

/** @param seeds of the canary in this process's memory, and of the one in a file, which is on the disk on return */
export async function plantCanary(seeds: { memory: string; file: string }): Promise<object> {
  planted.push(makeCanary(seeds.memory, canaryBytes));
  const file = await open(pathOf(seeds.file), 'w');
  try {
    await file.writeFile(makeCanary(seeds.file, canaryBytes));
    await file.sync();
  } finally {
    await file.close();
  }
  return {};
}

/** Reads the file from the disk: what the kernel has cached of it is dropped first. */
export async function readCanary(seed: string): Promise<number> {
  await writeFile('/proc/sys/vm/drop_caches', '3');
  return countMarkers(await readFile(pathOf(seed)), canaryMarker(seed));
}

function pathOf(seed: string): string {
  return `${folder}/canary-${seed}`;
}
