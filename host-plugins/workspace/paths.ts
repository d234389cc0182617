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
  /** What the disk looked like when no copy ran (disk-mark.ts). */
  readonly diskMark: string;
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
    diskMark: join(state, 'disk-mark.json'),
    run: runtimeFiles(join(runtimeFolder, workspace)),
  };
}

/** The tunnel's channels of a workspace. */
export const channelNames = {
  disk: (workspace: string): string => `disk/${workspace}`,
  memory: (workspace: string, epoch: number): string => `memory/${workspace}/${epoch}`,
} as const;

/**
 * The persistent tap of a workspace: `wd-` and a name of at most 12 characters (IFNAMSIZ leaves 15). Longer
 * names keep their beginning and end in a short hash, so that two workspaces never share a tap.
 */
export function tapName(workspace: string): string {
  if (workspace.length <= 12) return `wd-${workspace}`;
  let hash = 0x811c9dc5;
  for (let at = 0; at < workspace.length; at++) {
    hash = Math.imul(hash ^ workspace.charCodeAt(at), 0x01000193) >>> 0;
  }
  return `wd-${workspace.slice(0, 5)}${hash.toString(36).padStart(7, '0')}`;
}
