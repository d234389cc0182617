import { join } from 'node:path';

/** The longest path that fits a unix socket's address (sun_path, unix(7)), bytes. */
export const maxSocketPathBytes = 107;

/**
 * Every file and socket that wdockd makes for a workspace, named in this one place. State survives a reboot
 * and is fsynced; runtime does not.
 */
export function workspacePaths(stateFolder: string, runtimeFolder: string, workspace: string) {
  const state = join(stateFolder, 'workspaces', workspace);
  const runtime = join(runtimeFolder, workspace);
  return {
    state,
    runtime,
    record: join(state, 'record.json'),
    journal: join(state, 'journal'),
    policy: join(state, 'policy.yaml'),
    consoleLog: join(state, 'console.log'),
    qemuLog: join(state, 'qemu.log'),
    storageLog: join(state, 'storage.log'),
    displayBusLog: join(state, 'display-bus.log'),
    qmpSocket: join(runtime, 'qmp.sock'),
    agentSocket: join(runtime, 'agent.sock'),
    /** Where QEMU on this host finds the home disk: the storage daemon itself at home, the way to it elsewhere. */
    diskSocket: join(runtime, 'disk.sock'),
    storageQmpSocket: join(runtime, 'storage-qmp.sock'),
    memoryIncomingSocket: join(runtime, 'memory-in.sock'),
    memoryOutgoingSocket: join(runtime, 'memory-out.sock'),
    displayBusSocket: join(runtime, 'display.sock'),
    displayBusConfig: join(runtime, 'display-bus.conf'),
    qemuPid: join(runtime, 'qemu.pid'),
    storagePid: join(runtime, 'storage.pid'),
    displayBusPid: join(runtime, 'display-bus.pid'),
  } as const;
}

export type WorkspacePaths = ReturnType<typeof workspacePaths>;

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
