import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { controlMethods } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { Peers } from '../daemon/handlers.ts';
import { peerOf } from '../hand-over/position.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { adoptStorageDaemon } from '../qemu/storage-daemon.ts';
import { adoptDetached } from '../system/process/detached-process.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { WorkspaceStore } from '../workspace/workspace-store.ts';
import type { Workspaces } from './workspaces.ts';

export interface RemoveParts {
  readonly workspaces: Workspaces;
  readonly store: WorkspaceStore;
  readonly trust: TrustStore;
  readonly peers: Peers;
}

const DiskOfRecord = z.object({ disk: z.object({ path: z.string().min(1) }) });

type Removed = z.input<(typeof controlMethods)['workspace.remove']['result']>;

/** The home device's answer, ms. */
const homeLimitMs = 10_000;

/**
 * Removes a workspace that this device owns and that is stopped, one that cannot be read, or the record of one that
 * has visited. Never a disk.
 */
export async function removeWorkspace(
  parts: RemoveParts,
  name: string,
  signal: AbortSignal,
): Promise<Removed> {
  const workspace = parts.workspaces.find(name);
  if (workspace === undefined) return await removeBroken(parts, name, signal);
  return await workspace.exclusively({ kind: 'stopping' }, async () => {
    if (workspace.isHome) await requireNobodysButOurs(workspace);
    else await requireNotNeededHere(parts, workspace, signal);
    await endDisk(parts, workspace, signal);
    await workspace.surroundings.pages.kept.forget(workspace.keptMemory);
    const folder = await parts.workspaces.remove(name);
    const { nameOf } = workspace.surroundings;
    const { homeDevice, disk } = workspace.record;
    const other = workspace.isHome ? peerOf(workspace.handOver.state.position) : homeDevice;
    return {
      name,
      broken: false,
      left: left(workspace.isHome ? disk.path : undefined, folder),
      ...(other === undefined || parts.trust.byId(other) === undefined
        ? {}
        : { otherDevice: { name: nameOf(other), isHome: !workspace.isHome } }),
    };
  });
}

async function requireNobodysButOurs(workspace: Workspace): Promise<void> {
  const { name } = workspace;
  if (workspace.machine !== undefined) {
    throw new DockError('conflict', `"${name}" runs; stop it first: wdock workspace stop ${name}`);
  }
  if (workspace.handOver.state.position.at === 'owner' || (await isUnfounded(workspace))) return;
  const { state, runsOn, detail } = workspace.status();
  throw new DockError(
    'conflict',
    state === 'away'
      ? `"${name}" is on ${runsOn ?? 'another device'}; bring it back first (wdock undock), and stop it`
      : `"${name}" is ${state} (${detail ?? `with ${runsOn ?? 'another device'}`}), and has to be stopped here first`,
  );
}

/** A crash while it was made or removed has left it without a single entry in its journal. */
async function isUnfounded(workspace: Workspace): Promise<boolean> {
  return (await workspace.handOver.history()).length === 0;
}

/** Of a visitor: its home must have no question to this device any more, or be nobody's business. */
async function requireNotNeededHere(
  { trust, peers }: RemoveParts,
  workspace: Workspace,
  signal: AbortSignal,
): Promise<void> {
  const { name, record } = workspace;
  const home = trust.byId(record.homeDevice);
  if (workspace.machine !== undefined || workspace.arrival !== undefined) {
    throw new DockError('conflict', `"${name}" is here; bring it home first (wdock undock)`);
  }
  if (home === undefined) return;
  if (workspace.handOver.state.position.at !== 'away') {
    throw new DockError(
      'conflict',
      `"${name}" belongs to this device now, and its home is ${home.name}: start it and bring it home (wdock undock), or remove it there`,
    );
  }
  const atHome = await peers
    .call(
      home.id,
      'workspace-status',
      { workspace: name },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(homeLimitMs)]) },
    )
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (knowsNothingOfIt(error)) return undefined;
      throw new DockError(
        DockError.from(error).kind,
        `${home.name}, the home of "${name}", has to say that it needs nothing from here: ${DockError.from(error).message}; try again, or forget that device first (wdock devices forget)`,
        { cause: error },
      );
    });
  if (atHome === undefined || atHome.owner) return;
  throw new DockError('conflict', `"${name}" is not back on ${home.name}, its home; bring it there first`);
}

function knowsNothingOfIt(error: unknown): boolean {
  if (!(error instanceof DockError)) return false;
  // What the home says of a third device comes as a refusal with the kind in its detail.
  return (
    error.kind === 'not-found' || (error.kind === 'peer-refused' && error.detail?.['kind'] === undefined)
  );
}

/** Also of a disk server that an earlier life of wdockd left, which nobody needs while the VM is stopped. */
async function endDisk({ store }: RemoveParts, workspace: Workspace, signal: AbortSignal): Promise<void> {
  await workspace.closeDisk(signal);
  const left = await adoptStorageDaemon(store.paths(workspace.name).run, signal);
  await left?.quit(signal);
}

async function removeBroken(
  { workspaces, store }: RemoveParts,
  name: string,
  signal: AbortSignal,
): Promise<Removed> {
  if (!(await store.has(name))) {
    throw new DockError(
      'not-found',
      `there is no workspace "${name}" on this device; see wdock workspace list`,
    );
  }
  const { run, record } = store.paths(name);
  for (const [program, marker, pidFile, logFile] of [
    ['qemu-system-x86_64', run.qmpSocket, run.qemuPid, run.qemuLog],
    ['qemu-storage-daemon', run.storageQmpSocket, run.storagePid, run.storageLog],
  ] as const) {
    const running = await adoptDetached({ pidFile, logFile }, { program, marker });
    if (running === undefined) continue;
    throw new DockError(
      'conflict',
      `"${name}" cannot be read, and its ${program} runs (pid ${running.pid}), here or for another device; shut the guest down, and end that process`,
    );
  }
  signal.throwIfAborted();
  const disk = await diskOf(record);
  return { name, broken: true, left: left(disk, await workspaces.remove(name)) };
}

/** What a record says that may be of no use otherwise; for the user to find the disk. */
async function diskOf(record: string): Promise<string | undefined> {
  try {
    return DiskOfRecord.parse(JSON.parse(await readFile(record, 'utf8'))).disk.path;
  } catch {
    return undefined;
  }
}

function left(disk: string | undefined, folder: string | undefined): Removed['left'] {
  return [
    ...(disk === undefined ? [] : [{ what: 'disk' as const, path: disk }]),
    ...(folder === undefined ? [] : [{ what: 'other-files' as const, path: folder }]),
  ];
}
