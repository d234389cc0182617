import { readImageInfo } from '../qemu/image-info.ts';
import type { Workspace } from '../workspace/workspace.ts';

/** The images on which the disks of this device's workspaces stand; a disk that stands on none is written to, and is none. */
export async function bottomImages(workspaces: readonly Workspace[], signal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for (const { isHome, record } of workspaces) {
    const bottom = isHome ? await bottomOf(record.disk, signal).catch(() => undefined) : undefined;
    signal.throwIfAborted();
    if (bottom !== undefined) found.push(bottom); // one that cannot be read is told of when the workspace starts
  }
  return found;
}

/** No disk has more images below it than that. */
const maxDepth = 64;

async function bottomOf(
  disk: { readonly path: string; readonly format: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  let info = await readImageInfo({ ...disk, inUse: true }, signal);
  let bottom: string | undefined;
  for (let depth = 0; info.backing !== undefined && depth < maxDepth; depth += 1) {
    const { name, format } = info.backing;
    bottom = name;
    info = await readImageInfo(
      { path: name, inUse: true, ...(format === undefined ? {} : { format }) },
      signal,
    );
  }
  return bottom;
}
