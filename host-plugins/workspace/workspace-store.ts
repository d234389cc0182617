import { mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { WorkspaceRecord } from '../../protocol/workspace.ts';
import { syncFolder, writeFileDurably } from '../system/process/write-file-durably.ts';
import { type WorkspacePaths, workspacePaths } from './paths.ts';

/** The records of the workspaces that this device knows, one JSON file each, written atomically and durably. */
export class WorkspaceStore {
  readonly #stateFolder: string;
  readonly #runtimeFolder: string;

  constructor(stateFolder: string, runtimeFolder: string) {
    this.#stateFolder = stateFolder;
    this.#runtimeFolder = runtimeFolder;
  }

  paths(name: string): WorkspacePaths {
    return workspacePaths(this.#stateFolder, this.#runtimeFolder, name);
  }

  /** Names that have a record, sorted. */
  async names(): Promise<string[]> {
    const root = join(this.#stateFolder, 'workspaces');
    const entries = await readdir(root, { withFileTypes: true }).catch((cause: unknown) => {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return [];
      throw new DockError('io', `the workspaces in ${root} cannot be listed: ${message}`, { cause });
    });
    const names: string[] = [];
    for (const entry of entries) {
      if (entry.isDirectory() && (await this.load(entry.name)) !== undefined) names.push(entry.name);
    }
    return names.sort();
  }

  /** Throws `config-invalid` when the record is there and cannot be understood. */
  async load(name: string): Promise<WorkspaceRecord | undefined> {
    const path = this.paths(name).record;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new DockError('io', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
    }
    try {
      return WorkspaceRecord.parse(JSON.parse(text));
    } catch (error) {
      throw new DockError(
        'config-invalid',
        `${path} is not a workspace record of this version: ${(error as Error).message}; put back a copy of it, or move the folder away`,
        { cause: error },
      );
    }
  }

  /** On return the record is on the disk; a crash at any moment leaves the old one or the new one. */
  async save(record: WorkspaceRecord): Promise<void> {
    const { record: path, state, run } = this.paths(record.name);
    try {
      await mkdir(state, { recursive: true, mode: 0o700 });
      await mkdir(run.folder, { recursive: true, mode: 0o700 });
      await writeFileDurably(path, `${JSON.stringify(record, undefined, 2)}\n`);
    } catch (error) {
      throw new DockError('io', `${path} cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Whether there is a record or a journal of that name, readable or not. */
  async has(name: string): Promise<boolean> {
    const { record, journal } = this.paths(name);
    const found = await Promise.allSettled([stat(record), stat(journal)]);
    return found.some(({ status }) => status === 'fulfilled');
  }

  /**
   * Removes what wdockd keeps of a workspace, the record last: until then its name is known. No other file is touched,
   * wherever the disk may be. Returns the folder that is left when there is something else in it.
   */
  async remove(name: string): Promise<string | undefined> {
    const { state, run, journal, policy, anchor, diskMark, record } = this.paths(name);
    try {
      for (const path of [journal, `${journal}.lock`, policy, anchor, diskMark, record]) {
        await rm(path, { force: true });
      }
      const kept = await folderInUse(state);
      await syncFolder(dirname(state));
      await rm(run.folder, { recursive: true, force: true });
      return kept ? state : undefined;
    } catch (error) {
      throw new DockError('io', `the workspace in ${state} cannot be removed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

/** Removes the folder when it is empty; else says true. */
async function folderInUse(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return true;
    throw error;
  }
}
