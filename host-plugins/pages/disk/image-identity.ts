import { stat } from 'node:fs/promises';
import { z } from 'zod';

/** What of a file is another one after it was written, replaced or moved. */
export const ImageIdentity = z.strictObject({
  path: z.string(),
  format: z.enum(['qcow2', 'raw']),
  bytes: z.string(),
  modifiedNs: z.string(),
  changedNs: z.string(),
  device: z.string(),
  inode: z.string(),
});
export type ImageIdentity = z.infer<typeof ImageIdentity>;

/** Undefined for what is no file. */
export async function identifyImage(
  path: string,
  format: 'qcow2' | 'raw',
): Promise<ImageIdentity | undefined> {
  const facts = await stat(path, { bigint: true }).catch(() => undefined);
  if (facts?.isFile() !== true) return undefined;
  return {
    path,
    format,
    bytes: String(facts.size),
    modifiedNs: String(facts.mtimeNs),
    changedNs: String(facts.ctimeNs),
    device: String(facts.dev),
    inode: String(facts.ino),
  };
}

/** Whether the file is, as far as its facts tell, the one that it was. */
export async function isUnchanged(identity: ImageIdentity): Promise<boolean> {
  const now = await identifyImage(identity.path, identity.format);
  return JSON.stringify(now) === JSON.stringify(identity);
}
