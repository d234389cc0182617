import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { InterfaceName } from '../system/network/binding.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';

/** What a device durably knows of an anchor that it keeps, so that it goes on after a restart or a power cut. */
export const KeptAnchor = z.strictObject({
  format: z.literal(1),
  /** The device that the guest goes to. */
  peer: z.string().min(1),
  addresses: z.array(z.string()).min(1),
  uplink: InterfaceName,
  /** When it ends at the latest, ms since 1970. */
  untilMs: z.number(),
});
export type KeptAnchor = z.infer<typeof KeptAnchor>;

/** Undefined where there is none, and where there is one that nobody can read: then it is over. */
export async function readKeptAnchor(path: string): Promise<KeptAnchor | undefined> {
  try {
    return KeptAnchor.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeKeptAnchor(path: string, anchor: KeptAnchor): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileDurably(path, `${JSON.stringify(anchor)}\n`);
}

export async function forgetKeptAnchor(path: string): Promise<void> {
  await rm(path, { force: true });
}
