import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { migrationFailure, untilMigration } from '../../host-plugins/qemu/migration-wait.ts';
import type { QmpClient } from '../../host-plugins/qemu/qmp-client.ts';
import { runtimeFiles } from '../../host-plugins/qemu/runtime-files.ts';
import { startStorageDaemon } from '../../host-plugins/qemu/storage-daemon.ts';
import { interruption } from '../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import { labAddresses } from '../../test/lab/network/address-plan.ts';
import { LabNetwork } from '../../test/lab/network/lab-network.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { createOverlay, LabMachine } from '../../test/lab/state/lab-machine.ts';
import { type StockSettings, type StockTuning, stockSettings } from './stock-settings.ts';
import type { OwnFigures, Place, SystemProcesses, Traveller } from './traveller.ts';

const tap = 'stock0';
/** Where a QEMU waits for the guest, and where the MID serves the disk. */
const [movePort, diskPort] = [7100, 7101];

/**
 * The lab's guest, moved by QEMU alone from one device to the other over plain TCP: no encryption, nothing asked or
 * decided, nothing adapted. Both devices are on cables with a bridge, where nothing has to be done for the guest's
 * network but what QEMU does by itself. The disk is served on the MID; the PC reaches it over the same link.
 */
export class StockPair implements Traveller {
  readonly network: LabNetwork;
  readonly address = labAddresses.workspace;
  readonly #guest: LabGuest;
  readonly #tuning: StockTuning;
  readonly #resources: AsyncDisposableStack;
  /** Both, while the guest moves. */
  readonly #machines = new Map<Place, LabMachine>();
  #moves = 0;

  private constructor(
    network: LabNetwork,
    guest: LabGuest,
    tuning: StockTuning,
    machine: LabMachine,
    resources: AsyncDisposableStack,
  ) {
    this.network = network;
    this.#guest = guest;
    this.#tuning = tuning;
    this.#machines.set('mid', machine);
    this.#resources = resources;
  }

  /** Returns when the guest runs on the MID, as it was saved. */
  static async start(
    guest: LabGuest,
    link: LinkShapeName,
    tuning: StockTuning,
    signal: AbortSignal,
  ): Promise<StockPair> {
    await using resources = new AsyncDisposableStack();
    const { settled } = guest;
    const network = resources.use(
      await LabNetwork.create(
        { wiredMid: true, midLink: link, pcLink: link, emulator: settled.emulator },
        signal,
      ),
    );
    for (const host of [network.mid, network.pc]) {
      const commands = `tuntap add ${tap} mode tap vnet_hdr\nlink set ${tap} master br0 up\n`;
      await host.run(['ip', '-batch', '-'], signal, commands);
    }
    const home = runtimeFiles(join(network.folder, 'home'));
    await mkdir(home.folder);
    const disk = join(home.folder, 'disk.qcow2');
    await createOverlay(settled.disk, disk, signal);
    const storage = await startStorageDaemon({ path: disk, format: 'qcow2' }, home, signal);
    resources.defer(() => storage.quit(cleanupSignal()));
    await serveDisk(network, signal);
    const machine = await startMachine(network, guest, 'mid', 0, signal);
    const pair = new StockPair(network, guest, tuning, machine, resources.move());
    try {
      await machine.load(settled.stateFile, signal);
      return pair;
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
  }

  async move(to: Place, onRunning: () => void, signal: AbortSignal): Promise<OwnFigures> {
    const from = to === 'pc' ? 'mid' : 'pc';
    const source = this.#machines.get(from);
    if (source === undefined) throw new DockError('conflict', `the guest is not on the ${from}`);
    const target = await startMachine(this.network, this.#guest, to, ++this.#moves, signal);
    this.#machines.set(to, target);
    const settings = stockSettings(this.#tuning);
    for (const { qemu } of [source, target]) await apply(qemu.qmp, settings, signal);
    const channels = channelTo(this.network.addresses[to]);
    // Told so before it comes, QEMU runs the guest by itself as soon as all of it is there.
    await target.qemu.qmp.execute('cont', {}, signal);
    await target.qemu.qmp.execute('migrate-incoming', { channels }, signal);
    using ended = new DisposableStack();
    const over = ended.adopt(new AbortController(), (controller) => controller.abort());
    const runs = untilItRuns(target, AbortSignal.any([signal, over.signal])).then(() => {
      onRunning();
      return performance.now();
    });
    runs.catch(() => undefined); // awaited below, where the source has not failed
    const startedMs = performance.now();
    await source.qemu.qmp.execute('migrate', { channels }, signal);
    const info = await untilMigration(source.qemu.qmp, ['completed'], () => undefined, signal);
    if (info.status !== 'completed') throw migrationFailure('the move by QEMU alone', info);
    const totalMs = (await runs) - startedMs;
    await this.#end(from);
    const ownBytes = info.ram?.transferred ?? 0;
    return { totalMs, moveMs: totalMs, downtimeMs: info.downtime ?? null, ownBytes, stages: [], pages: null };
  }

  processes(place: Place): SystemProcesses {
    return { qemu: this.#machines.get(place)?.qemu.pid, wdockd: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const place of ['mid', 'pc'] as const) await this.#end(place);
    await this.#resources.disposeAsync();
  }

  async #end(place: Place): Promise<void> {
    await this.#machines.get(place)?.[Symbol.asyncDispose]();
    this.#machines.delete(place);
  }
}

/** @param move tells the folders of machines that one device has had after each other */
async function startMachine(
  network: LabNetwork,
  { settled }: LabGuest,
  place: Place,
  move: number,
  signal: AbortSignal,
): Promise<LabMachine> {
  const folder = join(network.folder, `${place}${move}`);
  await mkdir(folder);
  const disk = { socket: diskSocket(network, place) };
  const launcher = network[place].enter([]);
  return await LabMachine.start(
    { contract: settled.contract, disk, folder, tap, incoming: 'defer', launcher },
    signal,
  );
}

function diskSocket(network: LabNetwork, place: Place): string {
  return place === 'mid'
    ? runtimeFiles(join(network.folder, 'home')).diskSocket
    : join(network.folder, 'far-disk.sock');
}

/** The PC reaches the disk's socket by the address of the MID. */
async function serveDisk(network: LabNetwork, signal: AbortSignal): Promise<void> {
  const far = diskSocket(network, 'pc');
  const relays = [
    [
      network.mid,
      `TCP-LISTEN:${diskPort},fork,reuseaddr,nodelay`,
      `UNIX-CONNECT:${diskSocket(network, 'mid')}`,
    ],
    [network.pc, `UNIX-LISTEN:${far},fork`, `TCP:${network.addresses.mid}:${diskPort},nodelay`],
  ] as const;
  for (const [host, listen, connect] of relays) {
    // Ended with its namespace. It says when it listens, and then nothing that we want to hear.
    const relay = host.spawn(['socat', '-d', '-d', listen, connect], { stdio: ['ignore', 'ignore', 'pipe'] });
    await once((relay.stderr as Readable).resume(), 'data', { signal });
  }
}

async function apply(qmp: QmpClient, settings: StockSettings, signal: AbortSignal): Promise<void> {
  const { capabilities, parameters } = settings;
  await qmp.execute('migrate-set-capabilities', { capabilities }, signal);
  await qmp.execute('migrate-set-parameters', parameters, signal);
}

function channelTo(host: string): object[] {
  const addr = { transport: 'socket', type: 'inet', host, port: String(movePort) };
  return [{ 'channel-type': 'main', addr }];
}

/** @throws DockError `cancelled` or `timeout` by the signal, `qemu-gone` */
async function untilItRuns({ qemu }: LabMachine, signal: AbortSignal): Promise<void> {
  for await (const _ of qemu.qmp.events(signal, 'RESUME')) return;
  throw interruption(signal, 'the guest to run at the other end');
}

const cleanupSignal = () => AbortSignal.timeout(20_000);
