import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { DiskEvidence } from '../hand-over/state.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';

const DiskMark = z.strictObject({
  epoch: z.int(),
  modifiedNs: z.string(),
  changedNs: z.string(),
  bytes: z.string(),
});

async function look(image: string, epoch: number): Promise<z.infer<typeof DiskMark>> {
  const { mtimeNs, ctimeNs, size } = await stat(image, { bigint: true });
  return { epoch, modifiedNs: String(mtimeNs), changedNs: String(ctimeNs), bytes: String(size) };
}

/**
 * Remembers what the image looks like while no copy of the VM runs: its times and size, which every write changes
 * (stat(2)). Taken at home after the source has sent everything, its last flush included, and before anybody may run.
 */
export async function markDisk(image: string, markFile: string, epoch: number): Promise<void> {
  await writeFileDurably(markFile, `${JSON.stringify(await look(image, epoch))}\n`);
}

/** Whether the guest has written since the mark of that epoch; `unknown` without one. */
export async function compareDisk(image: string, markFile: string, epoch: number): Promise<DiskEvidence> {
  try {
    const marked = DiskMark.parse(JSON.parse(await readFile(markFile, 'utf8')));
    if (marked.epoch !== epoch) return 'unknown';
    return JSON.stringify(marked) === JSON.stringify(await look(image, epoch)) ? 'untouched' : 'written';
  } catch {
    return 'unknown'; // never taken, or the image cannot be looked at
  }
}
