import { DockError } from '../../protocol/dock-error.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import type { QmpProcess } from '../qemu/qmp-process.ts';
import { adoptStorageDaemon, diskSocketMode, startStorageDaemon } from '../qemu/storage-daemon.ts';
import type { Channels } from '../tunnel/channels.ts';
import { forwardUnixListener, serveChannelToUnixSocket } from '../tunnel/forward-unix-listener.ts';
import { channelNames, type WorkspacePaths } from './paths.ts';

/**
 * The disk of a workspace as this device has it. QEMU finds it on the same unix socket everywhere: the storage daemon
 * itself at home, the way to it elsewhere; so a move copies no disk.
 */
export interface HomeDisk extends AsyncDisposable {
  /** Ends what serves it, when the workspace does not run anywhere. At home QEMU must have ended before. */
  end(signal: AbortSignal): Promise<void>;
}

/**
 * At home: the storage daemon, adopted or started, and its channel for the device that `mayUse` allows. A device
 * loses its connections with `fence` (channels.ts).
 */
export async function openDiskAtHome(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  channels: Channels,
  mayUse: (deviceId: string) => boolean,
  signal: AbortSignal,
): Promise<HomeDisk> {
  const daemon: QmpProcess =
    (await adoptStorageDaemon(paths.run, signal)) ??
    (await startStorageDaemon(record.disk, paths.run, signal));
  const serving = serveChannelToUnixSocket(channels, channelNames.disk(record.name), (request) => {
    if (mayUse(request.deviceId)) return paths.run.diskSocket;
    throw new DockError(
      'conflict',
      `"${request.deviceName}" has no part in the workspace "${record.name}" now; its disk is not for it`,
    );
  });
  return {
    async end(ending) {
      serving[Symbol.dispose]();
      await daemon.quit(ending);
    },
    async [Symbol.asyncDispose]() {
      serving[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** Away from home: a socket whose connections become channels to the home device. QEMU reconnects by itself. */
export async function openDiskAway(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  channels: Channels,
  onError: (error: DockError) => void,
): Promise<HomeDisk> {
  const listener = await forwardUnixListener(
    channels,
    paths.run.diskSocket,
    record.homeDevice,
    channelNames.disk(record.name),
    { onError, mode: diskSocketMode },
  );
  return {
    end: async () => listener[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: async () => listener[Symbol.asyncDispose](),
  };
}
