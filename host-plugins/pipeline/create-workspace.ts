import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { loadPolicy } from '../../policies/load-policies.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CpuModelChoice } from '../../protocol/docking.ts';
import { MachineContract, type WorkspaceRecord } from '../../protocol/workspace.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import {
  defaultBaseMemoryMiB,
  defaultMaxPluggedMemoryMiB,
  machineType,
} from '../workspace/typical-contract.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type CheckedDisk, checkDisk } from './check-disk.ts';
import { type CreateParams, checkShape } from './check-shape.ts';
import type { ChooserSettings } from './choose.ts';
import { newMacAddress, newMachineIds, type Workspaces } from './workspaces.ts';
import { refuseWrongOptions, type WrongOption } from './wrong-option.ts';

export interface CreateParts {
  readonly workspaces: Workspaces;
  readonly chooser: ChooserSettings;
  readonly selfId: string;
  readonly cpuModels: Pick<CpuModels, 'choose'>;
}

/** Makes a workspace that can start here. Throws one error with all that is wrong, each with its option's name. */
export async function createWorkspace(
  parts: CreateParts,
  asked: CreateParams,
  signal: AbortSignal,
): Promise<{ workspace: Workspace; disk: CheckedDisk; cpuModel: CpuModelChoice }> {
  const { workspaces, chooser } = parts;
  if (workspaces.find(asked.name) !== undefined) {
    throw new DockError('conflict', `there is a workspace "${asked.name}" already`);
  }
  workspaces.requireReadable(asked.name);
  const { memory } = await chooser.discoverHost(signal);
  const { wrong, params } = checkShape(asked, memory.totalMiB);
  const disk = await attempt(wrong, '--disk', signal, () => checkDiskOf(workspaces, params, signal));
  const { kernel, savedState, policy } = params;
  const files = [
    ['--kernel', kernel?.image],
    ['--initrd', kernel?.initrd],
    ['--saved-state', savedState],
  ] as const;
  for (const [option, path] of files) {
    if (path !== undefined) await attempt(wrong, option, signal, () => requireFile(path));
  }
  if (policy !== undefined) {
    await attempt(wrong, '--policy', signal, async () => {
      await requireFile(policy);
      await loadPolicy(policy, signal);
    });
  }
  const cpuModel = await attempt(wrong, '--cpu-model', signal, () =>
    parts.cpuModels.choose(params.cpuModel, signal),
  );
  refuseWrongOptions(wrong);
  if (disk === undefined || cpuModel === undefined)
    throw new DockError('internal', 'an option was neither taken nor refused');
  const record = makeRecord(parts, params, disk, cpuModel.model);
  return { workspace: await workspaces.create(record), disk, cpuModel };
}

function makeRecord(
  parts: CreateParts,
  params: CreateParams,
  { path, format }: CheckedDisk,
  cpuModel: string,
): WorkspaceRecord {
  const { kernel, savedState, policy } = params;
  const ids = newMachineIds();
  return {
    format: 1,
    name: params.name,
    homeDevice: parts.selfId,
    contract: MachineContract.parse({
      machineType,
      cpuModel,
      baseMemoryMiB: params.baseMemoryMiB ?? defaultBaseMemoryMiB,
      maxPluggedMemoryMiB: params.maxPluggedMemoryMiB ?? defaultMaxPluggedMemoryMiB,
      uuid: params.uuid ?? ids.uuid,
      generationId: ids.generationId,
      macAddress: params.macAddress ?? newMacAddress(),
      ...(params.maxVcpus === undefined ? {} : { maxVcpus: params.maxVcpus }),
      ...(kernel === undefined ? {} : { kernel }),
    }),
    wanted: 'stopped',
    disk: { path, format },
    guestAddresses: params.guestAddresses ?? [],
    ...(savedState === undefined ? {} : { savedState }),
    ...(policy === undefined ? {} : { policy }),
  };
}

async function checkDiskOf(
  workspaces: Workspaces,
  params: CreateParams,
  signal: AbortSignal,
): Promise<CheckedDisk> {
  const taken = workspaces
    .list()
    .filter(({ isHome }) => isHome)
    .map(({ name, record }) => ({ workspace: name, ...record.disk }));
  const { disk: path, diskFormat, backingFiles = [] } = params;
  const wish = { path, backingFiles, ...(diskFormat === undefined ? {} : { format: diskFormat }) };
  return await checkDisk(wish, taken, signal);
}

/** What is wrong with the option's value is noted; an abort, and what is no fault of the value, goes on. */
async function attempt<T>(
  wrong: WrongOption[],
  option: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DockError)) throw error;
    const { kind, message, detail } = error;
    switch (kind) {
      case 'usage':
      case 'not-found':
      case 'config-invalid':
      case 'does-not-fit':
        wrong.push({ option, message, kind, detail });
        return undefined;
      case 'io':
        wrong.push({ option, message });
        return undefined;
      default:
        throw error;
    }
  }
}

/** Looks before it opens: a pipe would wait for a writer. */
async function requireFile(path: string): Promise<void> {
  if (!isAbsolute(path)) throw new DockError('usage', `${path} is no absolute path`);
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw new DockError('usage', `${path} is no file`);
    if (facts.size === 0) throw new DockError('usage', `${path} is empty`);
    await access(path, constants.R_OK);
  } catch (cause) {
    if (cause instanceof DockError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new DockError('not-found', `there is no file ${path}`, { cause });
    }
    throw new DockError('usage', `wdockd cannot read ${path}: ${message}`, { cause });
  }
}
