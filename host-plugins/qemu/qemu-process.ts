import { type FileHandle, open } from 'node:fs/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { MachineContract, MachineFilling } from '../../protocol/workspace.ts';
import type { MachineUser } from './choose-machine-user.ts';
import { buildCommandLine, type MachineEnvironment } from './command-line.ts';
import { confined, readableKernel, removeKernelCopies } from './confine.ts';
import { type Launch, QmpProcess, type QmpProcessFiles } from './qmp-process.ts';
import { type RuntimeFiles, runtimeFiles } from './runtime-files.ts';

/** How a QEMU is started, besides what it is. */
export interface QemuStart extends Omit<MachineEnvironment, 'savedState' | 'mark'> {
  /** Whom it runs as (machine-folder.ts); default: as this process. */
  readonly user?: MachineUser | undefined;
  /** A saved state that it is to load from `savedStateFile`; it is opened here, for QEMU may not be able to. */
  readonly savedState?: string;
}

/**
 * Starts the QEMU of a workspace; display bus and tap exist, and the disk's socket answers within ten
 * seconds. Returns when it takes commands; throws as `QmpProcess.start` does.
 */
export async function startQemu(
  contract: MachineContract,
  filling: MachineFilling,
  { user, savedState, ...environment }: QemuStart,
  signal: AbortSignal,
): Promise<QmpProcess> {
  const { files } = environment;
  const state = savedState === undefined ? undefined : await openState(savedState);
  try {
    const kernel = environment.kernelFiles ?? contract.kernel;
    const confinement: Partial<MachineEnvironment> =
      user === undefined
        ? {}
        : {
            files: filesInside(files, user.id),
            mark: files.qmpSocket,
            ...(kernel === undefined
              ? {}
              : { kernelFiles: await readableKernel(kernel, files.folder, user, signal) }),
          };
    const argv = buildCommandLine(contract, filling, {
      ...environment,
      ...confinement,
      savedState: state !== undefined,
    });
    const launch: Launch = {
      ...(user === undefined ? {} : { launcher: confined(user), workingFolder: files.folder }),
      ...(state === undefined ? {} : { inherited: [state.fd] }),
    };
    return await QmpProcess.start(argv, qemuFiles(files), signal, launch);
  } finally {
    await state?.close();
    if (user !== undefined) await removeKernelCopies(files.folder);
  }
}

async function openState(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (cause) {
    throw new DockError('io', `the saved state ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * The files as the QEMU of that user names them. It may enter its folder, where it was started, and none of those above; so
 * it names them from there.
 */
export function filesInside(files: RuntimeFiles, user: MachineUser['id'] | undefined): RuntimeFiles {
  return user === undefined ? files : runtimeFiles('.');
}

/** The QEMU of a workspace that an earlier life of the daemon started; undefined when there is none. */
export function adoptQemu(files: RuntimeFiles, signal: AbortSignal): Promise<QmpProcess | undefined> {
  return QmpProcess.adopt('qemu-system-x86_64', qemuFiles(files), signal);
}

function qemuFiles(files: RuntimeFiles): QmpProcessFiles {
  return { qmpSocket: files.qmpSocket, pidFile: files.qemuPid, logFile: files.qemuLog };
}
