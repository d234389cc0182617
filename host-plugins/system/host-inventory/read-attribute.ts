import { readdir, readFile } from 'node:fs/promises';

/** A sysfs attribute without its line end; undefined when it is not there or the driver refuses to answer. */
export async function readAttribute(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await readFile(path, { encoding: 'utf8', signal })).trim();
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** As `readAttribute`, for attributes that are bytes. */
export async function readBytes(path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path, { signal });
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Names in a folder of sysfs, sorted; none when the kernel has no such class. */
export async function listFolder(path: string): Promise<string[]> {
  return (await readdir(path).catch(() => [])).sort();
}
