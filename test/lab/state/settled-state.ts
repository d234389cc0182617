import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAccelerator } from '../../../host-plugins/qemu/accelerator.ts';
import type { MachineContract } from '../../../protocol/workspace.ts';
import { readKeyedFile } from '../cache/cache-folder.ts';
import { cacheKey, type KeyedFile } from '../cache/cache-key.ts';
import { cachedBuild, type Progress } from '../cache/cached-build.ts';
import type { LabEmulator } from '../emulator/lab-emulator.ts';
import type { GuestImage } from '../image/disk-image.ts';
import { LabNetwork } from '../network/lab-network.ts';
import { runCommand } from '../run-command.ts';
import { labContract } from './lab-contract.ts';
import { createOverlay, describeShape } from './lab-machine.ts';
import type { SettleOptions } from './settle-main.ts';

/** A booted guest, to start runs from. Both files are only read: a run has an overlay on the disk. */
export interface SettledState {
  /** What the machine is; only one of exactly this shape can load the state. */
  contract: MachineContract;
  /** The QEMU that wrote it, and that starts it again. */
  emulator: LabEmulator;
  /** What QEMU wrote; for `migrate-incoming` with `file:`. */
  stateFile: string;
  disk: string;
  /** What the disk stands on, the nearest first. */
  backing: readonly string[];
}

/** A boot under TCG takes about a minute, on a busy machine some. */
const bootLimitMs = 8 * 60_000;

/**
 * Boots the guest once, on the lab's LAN, where it gets the address it keeps, and saves it when nothing is left to
 * do: desktop shown, network up, load running.
 */
export async function provideSettledState(
  cache: string,
  image: GuestImage,
  emulator: LabEmulator,
  progress: Progress,
  signal: AbortSignal,
): Promise<SettledState> {
  const contract = labContract(image);
  const { accelerator } = await readAccelerator();
  const build = {
    title: 'the settled guest (boots it once; one to two minutes without KVM)',
    kind: 'state',
    key: cacheKey(
      { image: image.identity, shape: describeShape(contract, accelerator), version: emulator.version },
      await readProcedure(),
    ),
    neededMiB: 1500,
    build: async (folder: string, buildSignal: AbortSignal) => {
      await bootAndSave({ image, emulator, contract, folder }, progress, buildSignal);
      await writeFile(join(folder, 'contract.json'), JSON.stringify(contract, undefined, 2));
    },
  };
  const folder = await cachedBuild(build, cache, progress, signal);
  const files = { stateFile: join(folder, 'state'), disk: join(folder, 'disk.qcow2'), backing: [image.disk] };
  return { contract, emulator, ...files };
}

/** What is done to the machine between its boot and its saving is a part of what is saved. */
function readProcedure(): Promise<KeyedFile[]> {
  const files = ['settle-main.ts', 'lab-machine.ts'];
  return Promise.all(files.map((name) => readKeyedFile(join(import.meta.dirname, name), name)));
}

async function bootAndSave(
  {
    image,
    emulator,
    contract,
    folder,
  }: { image: GuestImage; emulator: LabEmulator; contract: MachineContract; folder: string },
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await using network = await LabNetwork.create({ workspaceMac: contract.macAddress, emulator }, signal);
  const tap = 'lab0';
  const commands = [`tuntap add ${tap} mode tap vnet_hdr`, `link set ${tap} master br0 up`];
  await network.pc.run(['ip', '-batch', '-'], signal, commands.join('\n'));
  const runtime = network.folder;
  const disk = join(folder, 'disk.qcow2');
  await createOverlay(image.disk, disk, signal);
  const machine = { contract, disk, folder: runtime, tap, incoming: 'none' } as const;
  const options: SettleOptions = {
    machine,
    stateFile: join(folder, 'state'),
    bootLimitMs,
  };
  const optionsFile = join(runtime, 'options.json');
  await writeFile(optionsFile, JSON.stringify(options));
  const argv = [process.execPath, join(import.meta.dirname, 'settle-main.ts'), optionsFile];
  await runCommand(network.pc.enter(argv), { onLine: progress }, signal);
}
