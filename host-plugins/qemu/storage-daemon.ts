import { chmod, stat } from 'node:fs/promises';
import { diskNodeName } from './command-line.ts';
import { qemuOption } from './qemu-option.ts';
import { QmpProcess, type QmpProcessFiles } from './qmp-process.ts';
import type { RuntimeFiles } from './runtime-files.ts';

/** QEMU has a user of its own; the folder around the socket decides who reaches it (machine-folder.ts). */
export const diskSocketMode = 0o666;

interface DiskImage {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
}

/**
 * Serves the home disk as NBD on `files.diskSocket`: the only process that opens the image, so
 * that a move copies no disk. `conflict` when another program has the image open for writing.
 */
export async function startStorageDaemon(
  image: DiskImage,
  files: RuntimeFiles,
  signal: AbortSignal,
): Promise<QmpProcess> {
  // What cannot be looked at is for the daemon to explain.
  const block = await stat(image.path).then(
    (facts) => facts.isBlockDevice(),
    () => false,
  );
  const argv = buildStorageCommandLine(image, files, block ? 'host_device' : 'file');
  const daemon = await QmpProcess.start(argv, storageFiles(files), signal);
  await chmod(files.diskSocket, diskSocketMode);
  return daemon;
}

/** The storage daemon that an earlier life of the daemon started; undefined when there is none. */
export function adoptStorageDaemon(
  files: RuntimeFiles,
  signal: AbortSignal,
): Promise<QmpProcess | undefined> {
  return QmpProcess.adopt('qemu-storage-daemon', storageFiles(files), signal);
}

/** @param driver `file` refuses block devices, `host_device` all others */
export function buildStorageCommandLine(
  image: DiskImage,
  files: RuntimeFiles,
  driver: 'file' | 'host_device',
): string[] {
  return [
    'qemu-storage-daemon',
    '--chardev',
    qemuOption('socket', { id: 'qmp', path: files.storageQmpSocket, server: true, wait: false }),
    '--monitor',
    'chardev=qmp,mode=control',
    '--blockdev',
    // `locking=on` and not `auto`: where the file system cannot lock, rather no start than two writers.
    qemuOption('', {
      driver,
      'node-name': 'image',
      filename: image.path,
      locking: 'on',
      discard: 'unmap',
    }),
    '--blockdev',
    // An NBD export lets others write beside it. qcow2 forbids that to all others by itself; for a raw image
    // this filter does, and the lock then keeps a second writer out.
    qemuOption('', {
      driver: 'blkdebug',
      'node-name': 'exclusive',
      image: 'image',
      'unshare-child-perms.0': 'write',
      'unshare-child-perms.1': 'resize',
    }),
    '--blockdev',
    qemuOption('', { driver: image.format, 'node-name': diskNodeName, file: 'exclusive', discard: 'unmap' }),
    '--nbd-server',
    // During a move both QEMUs are connected; a few more for reconnections that the server has not noticed
    // yet.
    qemuOption('', { 'addr.type': 'unix', 'addr.path': files.diskSocket, 'max-connections': 10 }),
    '--export',
    qemuOption('nbd', { id: 'disk-export', 'node-name': diskNodeName, name: diskNodeName, writable: true }),
  ];
}

function storageFiles(files: RuntimeFiles): QmpProcessFiles {
  return { qmpSocket: files.storageQmpSocket, pidFile: files.storagePid, logFile: files.storageLog };
}
