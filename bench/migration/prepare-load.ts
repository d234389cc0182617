import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../test/lab/cache/cache-folder.ts';
import { cacheKey } from '../../test/lab/cache/cache-key.ts';
import { cachedBuild, type Progress } from '../../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import type { GuestLoad } from '../../test/lab/loads/load-names.ts';
import { labAddresses } from '../../test/lab/network/address-plan.ts';
import { LabNetwork } from '../../test/lab/network/lab-network.ts';
import { createOverlay, LabMachine } from '../../test/lab/state/lab-machine.ts';
import type { SettledState } from '../../test/lab/state/settled-state.ts';
import { VerifyWatch } from '../../test/lab/verify/verify-watch.ts';

const tap = 'load0';
/** So much a load that has no end does before the guest is saved, in its own unit: then its memory is what it will be. */
const beginning = 50;
/** Reading every file takes a minute or two without KVM, ms. */
const limitMs = 8 * 60_000;

/**
 * The settled guest after the beginning of a load, saved in the middle of it: every system starts from this same moment.
 * From the cache, or made now; up to 0.7 GB each.
 */
export async function prepareLoad(
  guest: LabGuest,
  load: GuestLoad,
  progress: Progress,
  signal: AbortSignal,
): Promise<LabGuest> {
  if (load === 'idle') return guest;
  const { settled } = guest;
  // Not the path alone: a settled guest that was booted again is another one, with another disk.
  const { ino, mtimeMs } = await stat(settled.stateFile);
  const build = {
    title: `the guest with the load "${load}"`,
    kind: `load-${load}`,
    key: cacheKey({ state: settled.stateFile, made: `${ino} ${mtimeMs}`, version: '1' }, []),
    neededMiB: 1500,
    build: (folder: string, buildSignal: AbortSignal) =>
      runAndSave(settled, load, folder, AbortSignal.any([buildSignal, AbortSignal.timeout(limitMs)])),
  };
  const folder = await cachedBuild(build, cacheFolder(), progress, signal);
  const backing = [settled.disk, ...settled.backing];
  return { ...guest, settled: { ...settled, ...filesIn(folder), backing } };
}

const filesIn = (folder: string) => ({ stateFile: join(folder, 'state'), disk: join(folder, 'disk.qcow2') });

async function runAndSave(
  settled: SettledState,
  load: GuestLoad,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await using network = await LabNetwork.create({ emulator: settled.emulator }, signal);
  const commands = `tuntap add ${tap} mode tap vnet_hdr\nlink set ${tap} master br0 up\n`;
  await network.pc.run(['ip', '-batch', '-'], signal, commands);
  const { disk, stateFile } = filesIn(folder);
  await createOverlay(settled.disk, disk, signal);
  const { contract } = settled;
  const launcher = network.pc.enter([]);
  await using machine = await LabMachine.start(
    { contract, disk, folder: network.folder, tap, incoming: 'defer', launcher },
    signal,
  );
  await machine.load(settled.stateFile, signal);
  {
    await using watch = await VerifyWatch.open(network.client, labAddresses.workspace, 500, signal);
    await watch.load(load, 1, signal);
    await watch.reportWhere(
      (report) =>
        report.load?.finished === true || (load !== 'page-cache' && (report.load?.done ?? 0) >= beginning),
      signal,
    );
  }
  await machine.save(stateFile, signal);
}
