import { createHash } from 'node:crypto';

/** A file that goes into a build: what it is called there, whether it may be executed, and its content. */
export interface KeyedFile {
  path: string;
  executable: boolean;
  content: Uint8Array;
}

/**
 * A name for what a build makes of these inputs: equal for equal inputs, in any order of files and of facts.
 * @returns 16 hexadecimal digits
 */
export function cacheKey(facts: Readonly<Record<string, string>>, files: readonly KeyedFile[]): string {
  const hash = createHash('sha256');
  // Lengths are hashed too, so that two neighbouring values cannot be cut at another place and mean the same.
  const add = (value: string | Uint8Array) => {
    hash.update(`${Buffer.byteLength(value)}:`).update(value);
  };
  for (const name of Object.keys(facts).sort()) {
    add(name);
    add(facts[name] as string);
  }
  for (const file of [...files].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    add(file.path);
    add(file.executable ? 'x' : '-');
    add(file.content);
  }
  return hash.digest('hex').slice(0, 16);
}
