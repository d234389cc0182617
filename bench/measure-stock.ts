import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { MachineContract } from '../protocol/workspace.ts';
import type { Progress } from '../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../test/lab/lab-guest.ts';
import { LabNetwork } from '../test/lab/network/lab-network.ts';
import { runFolder } from '../test/lab/network/sweep.ts';
import { createOverlay } from '../test/lab/state/lab-machine.ts';
import { calmMs } from './measure-run.ts';

/** Start, calm, move and end take about 25 s under emulation, ms. */
const limitMs = 180_000;

export interface StockOptions {
  readonly contract: MachineContract;
  readonly disk: string;
  readonly stateFile: string;
  /** For sockets and logs; short. */
  readonly folder: string;
  /** Of the source and of the target, in the namespace that this runs in. */
  readonly taps: readonly [string, string];
  readonly calmMs: number;
}

const StockMove = z.strictObject({
  /** From the order to move until the target was told to run. */
  totalMs: z.number(),
  /** QEMU's own figure. */
  downtimeMs: z.number(),
});
export type StockMove = z.infer<typeof StockMove>;

/** The same settled guest moved by QEMU alone, from one process to another, over a unix socket. */
export async function measureStock(
  { settled }: LabGuest,
  progress: Progress,
  signal: AbortSignal,
): Promise<StockMove> {
  progress('moving the same guest with QEMU alone');
  await using network = await LabNetwork.create({ emulator: settled.emulator }, signal);
  const taps = ['stock0', 'stock1'] as const;
  const commands = taps.map((tap) => `tuntap add ${tap} mode tap vnet_hdr\nlink set ${tap} master br0 up\n`);
  await network.pc.run(['ip', '-batch', '-'], signal, commands.join(''));
  // Below the folder of the network's run, with which it goes, also when this process is killed.
  const folder = join(runFolder(network.label), 'stock');
  await mkdir(folder);
  const disk = join(folder, 'disk.qcow2');
  await createOverlay(settled.disk, disk, signal);
  const { contract, stateFile } = settled;
  const options: StockOptions = { contract, disk, stateFile, folder, taps, calmMs };
  const optionsFile = join(folder, 'options.json');
  await writeFile(optionsFile, JSON.stringify(options));
  const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const program = join(import.meta.dirname, 'stock-main.ts');
  return StockMove.parse(JSON.parse(await network.pc.run([process.execPath, program, optionsFile], limited)));
}
