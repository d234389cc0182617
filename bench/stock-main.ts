// The settled guest moves from one QEMU to another on this machine with nothing of ours in between: no tunnel, no
// policy, no adapting. Prints a StockMove. A program of its own because a process enters a network namespace only
// when it starts.
//
//   node bench/stock-main.ts <file with StockOptions as JSON>
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAccelerator } from '../host-plugins/qemu/accelerator.ts';
import { buildCommandLine } from '../host-plugins/qemu/command-line.ts';
import { adoptDisplayBus, startDisplayBus } from '../host-plugins/qemu/display-bus.ts';
import { startIncoming, untilArrived } from '../host-plugins/qemu/incoming-migration.ts';
import { OutgoingMigration } from '../host-plugins/qemu/outgoing-migration.ts';
import { QmpProcess } from '../host-plugins/qemu/qmp-process.ts';
import { runtimeFiles } from '../host-plugins/qemu/runtime-files.ts';
import type { MachineContract } from '../protocol/workspace.ts';
import { runMain } from '../test/lab/run-main.ts';
import { LabMachine } from '../test/lab/state/lab-machine.ts';
import type { StockMove, StockOptions } from './measure-stock.ts';

if (import.meta.main) {
  await runMain(async ([optionsFile = ''], signal) => {
    const options = JSON.parse(await readFile(optionsFile, 'utf8')) as StockOptions;
    process.stdout.write(`${JSON.stringify(await moveBetweenTwo(options, signal))}\n`);
  });
}

async function moveBetweenTwo(options: StockOptions, signal: AbortSignal): Promise<StockMove> {
  const { contract, disk, stateFile, folder, taps, calmMs } = options;
  const sourceFolder = join(folder, 'source');
  await mkdir(sourceFolder, { recursive: true });
  await using source = await LabMachine.start(
    { contract, disk, folder: sourceFolder, tap: taps[0], incoming: 'defer' },
    signal,
  );
  await source.load(stateFile, signal);
  await sleep(calmMs, undefined, { signal });
  await using resources = new AsyncDisposableStack();
  const target = await startTarget(
    contract,
    join(folder, 'target'),
    source.files.diskSocket,
    taps[1],
    resources,
    signal,
  );
  const { incomingSocket } = runtimeFiles(join(folder, 'target'));
  await startIncoming(target.qmp, incomingSocket, signal);
  const startedMs = performance.now();
  const migration = await OutgoingMigration.start(source.qemu.qmp, { socket: incomingSocket }, signal);
  await migration.untilPreSwitchover(signal);
  const { downtimeMs } = await migration.finish(signal);
  await untilArrived(target, signal);
  await target.qmp.execute('cont', {}, signal);
  return { totalMs: performance.now() - startedMs, downtimeMs };
}

/** An empty machine of the same shape with the same disk, waiting. */
async function startTarget(
  contract: MachineContract,
  folder: string,
  diskSocket: string,
  tap: string,
  resources: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<QmpProcess> {
  await mkdir(folder, { recursive: true });
  const files = { ...runtimeFiles(folder), diskSocket };
  const { accelerator } = await readAccelerator();
  await startDisplayBus(files, signal);
  resources.defer(async () => (await adoptDisplayBus(files))?.terminate(1000, cleanupSignal()));
  const environment = { name: 'stock', accelerator, files, tap, vhost: false, extraPorts: [] };
  const argv = buildCommandLine(
    contract,
    { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 },
    { ...environment, incoming: 'defer', paused: true },
  );
  const qemu = await QmpProcess.start(
    argv,
    { qmpSocket: files.qmpSocket, pidFile: files.qemuPid, logFile: files.qemuLog },
    signal,
  );
  resources.defer(() => qemu.quit(cleanupSignal()));
  return qemu;
}

// Hoisted: the body of the program, above, runs before this line is reached.
function cleanupSignal(): AbortSignal {
  return AbortSignal.timeout(20_000);
}
