import { readFile, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import type { DiskEvidence } from '../hand-over/state.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';

const DiskMark = z.strictObject({
  epoch: z.int(),
  modifiedNs: z.string(),
  changedNs: z.string(),
  bytes: z.string(),
});

/** Undefined for a block device: its node does not change when it is written. */
async function look(image: string, epoch: number): Promise<z.infer<typeof DiskMark> | undefined> {
  const facts = await stat(image, { bigint: true });
  if (!facts.isFile()) return undefined;
  const { mtimeNs, ctimeNs, size } = facts;
  return { epoch, modifiedNs: String(mtimeNs), changedNs: String(ctimeNs), bytes: String(size) };
}

/**
 * Remembers what the image looks like while no copy of the VM runs: its times and size, which every write changes
 * (stat(2)). Taken at home after the source has sent everything, its last flush included, and before anybody may run.
 */
export async function markDisk(image: string, markFile: string, epoch: number): Promise<void> {
  const mark = await look(image, epoch);
  if (mark === undefined) await rm(markFile, { force: true });
  else await writeFileDurably(markFile, `${JSON.stringify(mark)}\n`);
}

/** Whether the guest has written since the mark of that epoch; `unknown` without one. */
export async function compareDisk(image: string, markFile: string, epoch: number): Promise<DiskEvidence> {
  try {
    const marked = DiskMark.parse(JSON.parse(await readFile(markFile, 'utf8')));
    if (marked.epoch !== epoch) return 'unknown';
    const now = await look(image, epoch);
    if (now === undefined) return 'unknown';
    return JSON.stringify(marked) === JSON.stringify(now) ? 'untouched' : 'written';
  } catch {
    return 'unknown'; // never taken, or the image cannot be looked at
  }
}
