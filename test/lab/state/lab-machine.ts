import { rm } from 'node:fs/promises';
import { readAccelerator } from '../../../host-plugins/qemu/accelerator.ts';
import { buildCommandLine, type MachineEnvironment } from '../../../host-plugins/qemu/command-line.ts';
import { adoptDisplayBus, startDisplayBus } from '../../../host-plugins/qemu/display-bus.ts';
import { displayControl } from '../../../host-plugins/qemu/display-control.ts';
import { loadState } from '../../../host-plugins/qemu/incoming-migration.ts';
import { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { type RuntimeFiles, runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { saveState } from '../../../host-plugins/qemu/save-state.ts';
import { startStorageDaemon } from '../../../host-plugins/qemu/storage-daemon.ts';
import type { MachineContract } from '../../../protocol/workspace.ts';
import { runCommand } from '../run-command.ts';

/** What the lab's workspace has in it when it is booted and saved: the boot processor, no plugged memory. */
const emptyFilling = { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 };

export interface LabMachineOptions {
  contract: MachineContract;
  /** qcow2, it is written to; or where it is served already, by whoever has it. */
  disk: string | { socket: string };
  /** For sockets and logs; short, because a socket's path has at most 107 bytes. */
  folder: string;
  /** A tap in QEMU's network namespace. */
  tap: string;
  incoming: MachineEnvironment['incoming'];
  /** What puts QEMU into another network namespace, which then has the tap; default: this process's. */
  launcher?: readonly string[];
}

/** The lab's guest on this host without wdockd, by the same parts that wdockd starts a workspace with. */
export class LabMachine implements AsyncDisposable {
  readonly files: RuntimeFiles;
  readonly qemu: QmpProcess;
  readonly #resources: AsyncDisposableStack;

  private constructor(files: RuntimeFiles, qemu: QmpProcess, resources: AsyncDisposableStack) {
    this.files = files;
    this.qemu = qemu;
    this.#resources = resources;
  }

  /** Starts it, paused where it is incoming. On failure and on abort nothing of it is left running. */
  static async start(options: LabMachineOptions, signal: AbortSignal): Promise<LabMachine> {
    const own = runtimeFiles(options.folder);
    const files = typeof options.disk === 'string' ? own : { ...own, diskSocket: options.disk.socket };
    const { accelerator } = await readAccelerator();
    await using resources = new AsyncDisposableStack();
    await startDisplayBus(files, signal);
    resources.defer(async () => (await adoptDisplayBus(files))?.terminate(1000, cleanupSignal()));
    if (typeof options.disk === 'string') {
      const storage = await startStorageDaemon({ path: options.disk, format: 'qcow2' }, files, signal);
      resources.defer(() => storage.quit(cleanupSignal()));
    }
    const environment = labEnvironment(files, options.tap, accelerator, options.incoming);
    const qemu = await QmpProcess.start(
      buildCommandLine(options.contract, emptyFilling, environment),
      { qmpSocket: files.qmpSocket, pidFile: files.qemuPid, logFile: files.qemuLog },
      signal,
      options.launcher === undefined ? {} : { launcher: options.launcher },
    );
    resources.defer(() => qemu.quit(cleanupSignal()));
    return new LabMachine(files, qemu, resources.move());
  }

  /** Tells the guest the size of the screen it is shown on, as on the lab's small device. */
  async showOnSmallPanel(signal: AbortSignal): Promise<void> {
    const panel = { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 };
    await displayControl(this.files.displayBusSocket).setUiInfo(panel, signal);
  }

  /** Stops the guest and writes its whole state to a file. The disk has everything the guest has synced. */
  async save(stateFile: string, signal: AbortSignal): Promise<void> {
    await saveState(this.qemu.qmp, stateFile, signal);
  }

  /** Loads a state saved by a machine of the same shape; the guest runs from then on. */
  async load(stateFile: string, signal: AbortSignal): Promise<void> {
    await loadState(this.qemu, stateFile, signal);
    await this.qemu.qmp.execute('cont', {}, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

const cleanupSignal = () => AbortSignal.timeout(20_000);

function labEnvironment(
  files: RuntimeFiles,
  tap: string,
  accelerator: MachineEnvironment['accelerator'],
  incoming: MachineEnvironment['incoming'],
): MachineEnvironment {
  return { name: 'lab', accelerator, files, tap, vhost: false, incoming, paused: false, extraPorts: [] };
}

/** Everything that decides whether a saved state fits: the command line, with the same names for files on every machine. */
export function describeShape(
  contract: MachineContract,
  accelerator: MachineEnvironment['accelerator'],
): string {
  const environment = labEnvironment(runtimeFiles('/run/lab'), 'tap', accelerator, 'none');
  const kernel = contract.kernel && { ...contract.kernel, image: '', initrd: '' };
  return buildCommandLine({ ...contract, ...(kernel && { kernel }) }, emptyFilling, environment).join('\n');
}

/** A new disk on top of one that stays as it is. */
export async function createOverlay(
  backingDisk: string,
  overlay: string,
  signal: AbortSignal,
): Promise<void> {
  await rm(overlay, { force: true });
  await runCommand(
    ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backingDisk, overlay],
    {},
    signal,
  );
}
