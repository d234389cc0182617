import { createHash } from 'node:crypto';
import { open, readdir, readlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { startIncoming, untilArrived } from '../../../host-plugins/qemu/incoming-migration.ts';
import { OutgoingMigration } from '../../../host-plugins/qemu/outgoing-migration.ts';
import type { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import type { MachineFilling } from '../../../protocol/workspace.ts';
import { smallContract, soon, TestHost } from '../qemu/machine-fixture.ts';
import { ExchangedWay } from './exchanged-move.ts';

const withMemory: MachineFilling = { pluggedVcpus: [1], requestedPluggedMemoryMiB: 64 };

describe('a move between two QEMUs through the page exchange', { timeout: 120_000 }, () => {
  it('goes on running on the source when the way is cut', async () => {
    await using hosts = await twoHosts();
    const { source, target, way } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const refused = expect(untilArrived(target, soon())).rejects.toMatchObject({ kind: 'qemu-refused' });
    // So slow that it is nowhere near its end when the cut is made.
    const limits = { maxBandwidthBytesPerS: 100_000 };
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: way.path, limits }, soon());
    await way.until(20_000);
    way.cut();
    await expect(outgoing.untilPreSwitchover(soon())).rejects.toMatchObject({ kind: 'qemu-refused' });
    await refused;
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('brings all memory and state, the same byte for byte, in a fraction of the bytes', async () => {
    await using hosts = await twoHosts();
    const { source, target, way } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: way.path }, soon());
    await outgoing.untilPreSwitchover(soon());
    const [statistics] = await Promise.all([outgoing.finish(soon()), untilArrived(target, soon())]);
    expect(await memoryOf(target)).toEqual(await memoryOf(source));
    const { wireBytes, pages } = way.departing.departed;
    expect(pages.new).toBeGreaterThan(50);
    expect(pages.zero).toBeGreaterThan(20_000);
    expect(wireBytes).toBeLessThan(statistics.transferredBytes / 3);
    expect(way.departing.table?.digest()).toBe(way.arriving.table?.digest());
    await target.qmp.execute('cont', {}, soon());
    expect(await queryStatus(target.qmp, soon())).toMatchObject({ running: true });
    expect(way.failures).toEqual([]);
  });
});

interface TwoHosts extends AsyncDisposable {
  readonly source: QmpProcess;
  readonly target: QmpProcess;
  readonly way: ExchangedWay;
}

async function twoHosts(): Promise<TwoHosts> {
  const cleanup = new AsyncDisposableStack();
  try {
    const contract = smallContract();
    const home = cleanup.use(await TestHost.create());
    const away = cleanup.use(await TestHost.create(home));
    const source = await home.startQemu(contract, {}, withMemory);
    const target = await away.startQemu(contract, { incoming: 'defer' }, withMemory);
    await startIncoming(target.qmp, away.files.incomingSocket, soon());
    const way = cleanup.use(await ExchangedWay.create(`${away.files.folder}/way`, away.files.incomingSocket));
    return { source, target, way, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
  } catch (error) {
    await cleanup.disposeAsync();
    throw error;
  }
}

/** SHA-256 of each of its memory files. */
async function memoryOf({ pid }: QmpProcess): Promise<string[]> {
  const sums: string[] = [];
  for (const number of await readdir(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${number}`;
    if (!(await readlink(path).catch(() => '')).startsWith('/memfd:memory-backend-memfd')) continue;
    await using file = await open(path);
    const sum = createHash('sha256');
    for await (const chunk of file.createReadStream({ autoClose: false })) sum.update(chunk as Buffer);
    sums.push(`${(await file.stat()).size} ${sum.digest('hex')}`);
  }
  return sums.sort();
}
