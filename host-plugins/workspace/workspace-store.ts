import { lstat, mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import { WorkspaceName, WorkspaceRecord } from '../../protocol/workspace.ts';
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

  /** Names that have a record or a journal, whether they can be read or not, sorted. Folders of other names are nobody's. */
  async names(): Promise<string[]> {
    const root = join(this.#stateFolder, 'workspaces');
    const entries = await readdir(root, { withFileTypes: true }).catch((cause: unknown) => {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return [];
      throw new DockError('io', `the workspaces in ${root} cannot be listed: ${message}`, { cause });
    });
    const names: string[] = [];
    for (const entry of entries) {
      const isName = entry.isDirectory() && WorkspaceName.safeParse(entry.name).success;
      if (isName && (await this.has(entry.name))) names.push(entry.name);
    }
    return names.sort();
  }

  /** Whether there is a record or a journal of that name, readable or not: neither must be written over. */
  async has(name: string): Promise<boolean> {
    const { record, journal } = this.paths(name);
    return (await isThere(record)) || (await isThere(journal));
  }

  /** Throws `config-invalid` when the record is missing or cannot be understood, `io` when it cannot be read. */
  async load(name: string): Promise<WorkspaceRecord> {
    const { record: path, state } = this.paths(name);
    const fault = (kind: 'io' | 'config-invalid', why: string, cause?: unknown) =>
      new DockError(
        kind,
        `${path} ${why}; put back a copy of it, or move the folder ${state} away, and restart wdockd`,
        { cause },
      );
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') throw fault('config-invalid', 'is missing, and its journal is not', error);
      throw fault('io', `cannot be read (${code ?? message})`, error);
    }
    const parsed = WorkspaceRecord.safeParse(parseJson(text));
    if (!parsed.success) {
      const why = text.trim() === '' ? 'it is empty' : firstFault(parsed.error);
      throw fault('config-invalid', `is not a workspace record of this version (${why})`, parsed.error);
    }
    if (parsed.data.name !== name) {
      throw fault('config-invalid', `is the record of another workspace, "${parsed.data.name}"`);
    }
    return parsed.data;
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

  /**
   * Removes what wdockd keeps of a workspace, the record last: until then its name is known. No other file is touched,
   * wherever the disk may be. Returns the folder that is left when there is something else in it.
   */
  async remove(name: string): Promise<string | undefined> {
    const { state, run, journal, policy, anchor, diskMark, keptMemory, record } = this.paths(name);
    try {
      await rm(keptMemory, { recursive: true, force: true });
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

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'; // what cannot be looked at may be there
  }
}

/** `undefined`, which is no record, for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** In one line: a damaged record has as many faults as keys. */
function firstFault({ issues: [issue] }: z.ZodError): string {
  if (issue === undefined || issue.path.length === 0) return 'it is not a JSON object';
  return `${issue.path.join('.')}: ${issue.message}`;
}
