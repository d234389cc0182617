import type { MachineContract, MachineFilling } from '../../protocol/workspace.ts';
import { buildCommandLine, type MachineEnvironment } from './command-line.ts';
import { QmpProcess, type QmpProcessFiles } from './qmp-process.ts';
import type { RuntimeFiles } from './runtime-files.ts';

/**
 * Starts the QEMU of a workspace; display bus and tap exist, and the disk's socket answers within ten
 * seconds. Returns when it takes commands; throws as `QmpProcess.start` does.
 */
export function startQemu(
  contract: MachineContract,
  filling: MachineFilling,
  environment: MachineEnvironment,
  signal: AbortSignal,
): Promise<QmpProcess> {
  const argv = buildCommandLine(contract, filling, environment);
  return QmpProcess.start(argv, qemuFiles(environment.files), signal);
}

/** The QEMU of a workspace that an earlier life of the daemon started; undefined when there is none. */
export function adoptQemu(files: RuntimeFiles, signal: AbortSignal): Promise<QmpProcess | undefined> {
  return QmpProcess.adopt('qemu-system-x86_64', qemuFiles(files), signal);
}

function qemuFiles(files: RuntimeFiles): QmpProcessFiles {
  return { qmpSocket: files.qmpSocket, pidFile: files.qemuPid, logFile: files.qemuLog };
}
