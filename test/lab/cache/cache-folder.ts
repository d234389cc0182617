import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { KeyedFile } from './cache-key.ts';

/** Where big built things live: outside the work tree, so that every checkout shares them. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  if (environment['WDOCK_CACHE']) return environment['WDOCK_CACHE'];
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'wireless-dock');
}

/** All files below a folder, for `cacheKey`. */
export async function readKeyedFiles(folder: string): Promise<KeyedFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.map((path) => readKeyedFile(path, path.slice(folder.length + 1))));
}

export async function readKeyedFile(path: string, name: string): Promise<KeyedFile> {
  const [content, { mode }] = await Promise.all([readFile(path), stat(path)]);
  return { path: name, executable: (mode & 0o100) !== 0, content };
}
