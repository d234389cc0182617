import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDisplayBus } from '../../../host-plugins/qemu/display-bus.ts';
import { type QemuStart, startQemu } from '../../../host-plugins/qemu/qemu-process.ts';
import type { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { type RuntimeFiles, runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { startStorageDaemon } from '../../../host-plugins/qemu/storage-daemon.ts';
import { MachineContract, type MachineFilling } from '../../../protocol/workspace.ts';

/**
 * A machine without a guest: the firmware finds nothing to boot and waits. TCG, so that it is the same
 * everywhere.
 */
export function smallContract(changes: Partial<MachineContract> = {}): MachineContract {
  return MachineContract.parse({
    machineType: 'pc-q35-10.0',
    cpuModel: 'Nehalem-v1',
    maxVcpus: 4,
    baseMemoryMiB: 128,
    maxPluggedMemoryMiB: 1024,
    uuid: randomUUID(),
    generationId: randomUUID(),
    macAddress: '52:54:00:00:00:01',
    ...changes,
  });
}

export const emptyFilling: MachineFilling = { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 };

/** For one step of a test with real programs on a busy machine. */
export function soon(ms = 30_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'wdq-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

let taps = 0;

/** One device's side of a workspace: display bus, disk socket, and the QEMUs that a test starts. */
export class TestHost implements AsyncDisposable {
  readonly files: RuntimeFiles;
  /** The storage daemon; undefined where the disk is another host's. */
  disk: QmpProcess | undefined;
  readonly #cleanup = new AsyncDisposableStack();

  private constructor(files: RuntimeFiles) {
    this.files = files;
  }

  /** With a disk of its own, or, given `home`, with that one's disk, as through the tunnel. */
  static async create(home?: TestHost): Promise<TestHost> {
    const folder = await Folder.create();
    const host = new TestHost(runtimeFiles(join(folder.path, 'run')));
    host.#cleanup.use(folder);
    try {
      await mkdir(host.files.folder, { mode: 0o700 });
      const bus = await startDisplayBus(host.files, soon());
      host.#cleanup.defer(() => bus.terminate(2_000, soon()));
      if (home === undefined) {
        await writeFile(join(folder.path, 'disk.raw'), '');
        await truncate(join(folder.path, 'disk.raw'), 16 * 1024 * 1024);
        host.disk = await host.startDisk();
      } else {
        await symlink(home.files.diskSocket, host.files.diskSocket);
      }
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  get diskPath(): string {
    return join(this.files.folder, '..', 'disk.raw');
  }

  async startDisk(): Promise<QmpProcess> {
    const daemon = await startStorageDaemon({ path: this.diskPath, format: 'raw' }, this.files, soon());
    this.#cleanup.defer(() => daemon.kill(soon()));
    return daemon;
  }

  /**
   * The product's own command line. The tap is made by QEMU under a name that nobody has, and goes with it:
   * nothing is left of it when a test is killed.
   */
  environment(changes: Partial<QemuStart> = {}): QemuStart {
    return {
      name: 'test',
      accelerator: 'tcg',
      files: this.files,
      tap: `wdq${process.pid % 100_000}x${taps++}`,
      vhost: false,
      incoming: 'none',
      paused: true,
      extraPorts: [],
      ...changes,
    };
  }

  async startQemu(
    contract: MachineContract,
    changes: Partial<QemuStart> = {},
    filling: MachineFilling = emptyFilling,
    signal: AbortSignal = soon(),
  ): Promise<QmpProcess> {
    const qemu = await startQemu(contract, filling, this.environment(changes), signal);
    this.#cleanup.defer(() => qemu.kill(soon()));
    return qemu;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }
}
