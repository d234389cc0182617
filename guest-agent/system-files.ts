import { constants, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The kernel's files (/proc, /sys, /dev), below a root that a test can choose. Errors are those of node:fs. */
export class SystemFiles {
  readonly root: string;

  constructor(root = '/') {
    this.root = root;
  }

  read(path: string): Promise<string> {
    return readFile(join(this.root, path), 'utf8');
  }

  /** undefined where the file is not there or cannot be read. */
  async readIfThere(path: string): Promise<string | undefined> {
    try {
      return await this.read(path);
    } catch {
      return undefined;
    }
  }

  readBytes(path: string): Promise<Uint8Array> {
    return readFile(join(this.root, path));
  }

  /** Entries of a folder, none where it is not there. */
  async list(path: string): Promise<string[]> {
    try {
      return await readdir(join(this.root, path));
    } catch {
      return [];
    }
  }

  /** Writes to a file that exists, and for writing only: some of the kernel's files cannot be read. */
  async write(path: string, text: string): Promise<void> {
    const file = await open(join(this.root, path), constants.O_WRONLY);
    try {
      await file.write(text);
    } finally {
      await file.close();
    }
  }
}
