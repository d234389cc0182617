import { join } from 'node:path';
import { type RuntimeFiles, runtimeFiles } from '../qemu/runtime-files.ts';

/**
 * What wdockd keeps of a workspace. `state` survives a reboot and is fsynced; what QEMU needs while it runs is in the
 * runtime folder (runtime-files.ts).
 */
export interface WorkspacePaths {
  readonly state: string;
  readonly record: string;
  readonly journal: string;
  /** Policy overrides that came with a visiting workspace. */
  readonly policy: string;
  /** The addresses that this device keeps for a guest that has left (anchor/kept-anchor.ts). */
  readonly anchor: string;
  /** What the disk looked like when no copy ran (disk-mark.ts). */
  readonly diskMark: string;
  /** Folder of what is kept of its memory, here and elsewhere (pages/kept/kept-memory.ts). */
  readonly keptMemory: string;
  readonly run: RuntimeFiles;
}

export function workspacePaths(
  stateFolder: string,
  runtimeFolder: string,
  workspace: string,
): WorkspacePaths {
  const state = join(stateFolder, 'workspaces', workspace);
  return {
    state,
    record: join(state, 'record.json'),
    journal: join(state, 'journal'),
    policy: join(state, 'policy.yaml'),
    anchor: join(state, 'anchor.json'),
    diskMark: join(state, 'disk-mark.json'),
    keptMemory: join(state, 'kept-memory'),
    run: runtimeFiles(join(runtimeFolder, workspace)),
  };
}

/** The tunnel's channels of a workspace. */
export const channelNames = {
  disk: (workspace: string): string => `disk/${workspace}`,
  memory: (workspace: string, epoch: number): string => `memory/${workspace}/${epoch}`,
  warm: (workspace: string): string => `warm/${workspace}`,
  anchor: (workspace: string): string => `anchor/${workspace}`,
} as const;

/**
 * The persistent tap of a workspace: `wd-` and a name of at most 12 characters (IFNAMSIZ leaves 15). Longer
 * names keep their beginning and end in a short hash, so that two workspaces never share a tap.
 */
export function tapName(workspace: string): string {
  return `wd-${shortName(workspace, 12)}`;
}

/**
 * The taps of an anchor: of the device that has the guest and carries its traffic, and of the one that keeps its
 * addresses. A workspace's name has no underscore, so that they are no other workspace's.
 */
export const anchorTapName = {
  carrying: (workspace: string): string => `wd-c_${shortName(workspace, 10)}`,
  anchoring: (workspace: string): string => `wd-a_${shortName(workspace, 10)}`,
} as const;

function shortName(workspace: string, length: number): string {
  if (workspace.length <= length) return workspace;
  let hash = 0x811c9dc5;
  for (let at = 0; at < workspace.length; at++) {
    hash = Math.imul(hash ^ workspace.charCodeAt(at), 0x01000193) >>> 0;
  }
  return `${workspace.slice(0, length - 7)}${hash.toString(36).padStart(7, '0')}`;
}
