import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  loadState,
  readIncoming,
  startIncoming,
  untilArrived,
} from '../../../host-plugins/qemu/incoming-migration.ts';
import { type MigrationEvent, OutgoingMigration } from '../../../host-plugins/qemu/outgoing-migration.ts';
import type { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { readFilling, readVcpuSlots } from '../../../host-plugins/qemu/read-filling.ts';
import { saveState } from '../../../host-plugins/qemu/save-state.ts';
import type { MachineContract, MachineFilling } from '../../../protocol/workspace.ts';
import { emptyFilling, smallContract, soon, TestHost } from './machine-fixture.ts';

describe('a move between two QEMUs', { timeout: 60_000 }, () => {
  it('refuses a machine of another shape with the reason, and leaves the source running', async () => {
    await using hosts = await twoHosts(smallContract(), smallContract({ baseMemoryMiB: 256 }));
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const arrived = untilArrived(target, soon());
    const refused = expect(arrived).rejects.toThrow(/Size mismatch/i);
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: hosts.socket }, soon());
    const sent = outgoing.untilPreSwitchover(soon()).then(() => outgoing.finish(soon()));
    await expect(sent).rejects.toMatchObject({ kind: 'qemu-refused' });
    await refused;
    expect(await readIncoming(target.qmp, soon())).toBe('failed');
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('goes on running on the source when the stream breaks', async () => {
    await using hosts = await twoHosts();
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const refused = expect(untilArrived(target, soon())).rejects.toMatchObject({ kind: 'qemu-refused' });
    await using link = await CuttableLink.create(`${hosts.socket}.link`, hosts.socket, 64 * 1024);
    const events: MigrationEvent[] = [];
    const outgoing = await OutgoingMigration.start(
      source.qmp,
      { socket: link.path, onEvent: (event) => events.push(event) },
      soon(),
    );
    await link.full;
    link.cut();
    await expect(outgoing.untilPreSwitchover(soon())).rejects.toMatchObject({ kind: 'qemu-refused' });
    await refused;
    expect(events.at(-1)).toMatchObject({ kind: 'failed' });
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('cancels a move whose link hangs, and the guest goes on on the source', async () => {
    await using hosts = await twoHosts();
    const { source } = hosts;
    await source.qmp.execute('cont', {}, soon());
    await using link = await CuttableLink.create(`${hosts.socket}.link`, hosts.socket, 64 * 1024);
    const stop = new AbortController();
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: link.path }, soon());
    const waiting = outgoing.untilPreSwitchover(stop.signal);
    await link.full;
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
    expect(await outgoing.cancel(soon())).toBe('cancelled');
  });

  it('cancels at pre-switchover, where the source stands already', async () => {
    await using hosts = await twoHosts();
    const { source } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: hosts.socket }, soon());
    await outgoing.untilPreSwitchover(soon());
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: false });
    expect(await outgoing.cancel(soon())).toBe('cancelled');
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('leaves both paused after the last state is sent, and either can be the one that runs', async () => {
    await using hosts = await twoHosts();
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const events: MigrationEvent[] = [];
    const outgoing = await OutgoingMigration.start(
      source.qmp,
      { socket: hosts.socket, onEvent: (event) => events.push(event) },
      soon(),
    );
    await outgoing.untilPreSwitchover(soon());
    expect(await readIncoming(target.qmp, soon())).toBe('arriving');
    const arrived = untilArrived(target, soon());
    const statistics = await outgoing.finish(soon());
    await arrived;
    expect(statistics.transferredBytes).toBeGreaterThan(10_000);
    expect(statistics.totalMs).toBeGreaterThanOrEqual(statistics.downtimeMs);
    expect(events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['started', 'pre-switchover', 'completed']),
    );
    expect(await queryStatus(source.qmp, soon())).toEqual({ running: false, status: 'postmigrate' });
    expect(await queryStatus(target.qmp, soon())).toEqual({ running: false, status: 'paused' });
    expect(await readIncoming(target.qmp, soon())).toBe('arrived');
    // Too late to cancel: said, and nothing runs by itself.
    expect(await outgoing.cancel(soon())).toBe('completed');
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: false });

    await target.kill(soon());
    await source.qmp.execute('cont', {}, soon());
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('goes on running on the source when the target dies while memory moves', async () => {
    await using hosts = await twoHosts();
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    await using link = await CuttableLink.create(`${hosts.socket}.link`, hosts.socket, 64 * 1024);
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: link.path }, soon());
    await link.full;
    await target.kill(soon());
    link.cut();
    await expect(outgoing.untilPreSwitchover(soon())).rejects.toMatchObject({ kind: 'qemu-refused' });
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('is refused at once where nobody listens, and the source runs on', async () => {
    await using hosts = await twoHosts();
    const { source } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const move = OutgoingMigration.start(source.qmp, { socket: `${hosts.socket}.nobody` }, soon()).then(
      (outgoing) => outgoing.untilPreSwitchover(soon()),
    );
    await expect(move).rejects.toMatchObject({ kind: 'qemu-refused' });
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('can be cancelled while the last state hangs on the link, by cutting the link', async () => {
    await using hosts = await twoHosts();
    const { source } = hosts;
    await source.qmp.execute('cont', {}, soon());
    await using link = await CuttableLink.create(
      `${hosts.socket}.link`,
      hosts.socket,
      Number.POSITIVE_INFINITY,
    );
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: link.path }, soon());
    await outgoing.untilPreSwitchover(soon());
    link.hold();
    await expect(outgoing.finish(soon(500))).rejects.toMatchObject({ kind: 'timeout' });
    expect(await outgoing.cancel(soon())).not.toBe('completed');
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('that is cancelled leaves a paused source paused', async () => {
    await using hosts = await twoHosts();
    const { source } = hosts;
    await source.qmp.execute('cont', {}, soon());
    await source.qmp.execute('stop', {}, soon());
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: hosts.socket }, soon());
    await outgoing.untilPreSwitchover(soon());
    await outgoing.cancel(soon());
    expect(await queryStatus(source.qmp, soon())).toEqual({ running: false, status: 'paused' });
  });

  it('takes along what was plugged on the way: the target is made from what the source is', async () => {
    const contract = smallContract();
    await using home = await TestHost.create();
    await using away = await TestHost.create(home);
    const source = await home.startQemu(contract, { paused: false });
    const slots = await readVcpuSlots(source.qmp, soon());
    for (const slot of slots.filter(({ index }) => index === 1 || index === 3)) {
      await source.qmp.execute(
        'device_add',
        { driver: slot.driver, id: `cpu${slot.index}`, ...slot.place },
        soon(),
      );
    }
    const filling = await readFilling(source.qmp, soon());
    expect(filling.pluggedVcpus).toEqual([1, 3]);
    const target = await away.startQemu(contract, { incoming: 'defer' }, filling);
    await startIncoming(target.qmp, away.files.incomingSocket, soon());
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: away.files.incomingSocket }, soon());
    await outgoing.untilPreSwitchover(soon());
    await Promise.all([outgoing.finish(soon()), untilArrived(target, soon())]);
    await target.qmp.execute('cont', {}, soon());
    expect(await readFilling(target.qmp, soon())).toEqual(filling);
  });

  it('is refused by a target that lacks a plugged vCPU', async () => {
    await using hosts = await twoHosts(smallContract(), undefined, {
      pluggedVcpus: [2],
      requestedPluggedMemoryMiB: 0,
    });
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const refused = expect(untilArrived(target, soon())).rejects.toThrow(/cpu/);
    const outgoing = await OutgoingMigration.start(source.qmp, { socket: hosts.socket }, soon());
    const sent = outgoing.untilPreSwitchover(soon()).then(() => outgoing.finish(soon()));
    await expect(sent).rejects.toMatchObject({ kind: 'qemu-refused' });
    await refused;
    expect(await queryStatus(source.qmp, soon())).toMatchObject({ running: true });
  });

  it('is finished by a daemon that was restarted in the middle', async () => {
    await using hosts = await twoHosts();
    const { source, target } = hosts;
    await source.qmp.execute('cont', {}, soon());
    const first = await OutgoingMigration.start(source.qmp, { socket: hosts.socket }, soon());
    await first.untilPreSwitchover(soon());
    await source.qmp.disconnect();
    await target.qmp.disconnect();
    await source.reconnect(soon());
    await target.reconnect(soon());
    const second = await OutgoingMigration.adopt(source.qmp, () => {}, soon());
    await second?.untilPreSwitchover(soon());
    await second?.finish(soon());
    await untilArrived(target, soon());
    await target.qmp.execute('cont', {}, soon());
    expect(await queryStatus(target.qmp, soon())).toMatchObject({ running: true });
  });
});

describe('a saved state', { timeout: 60_000 }, () => {
  it('is there whole or not at all, and the machine runs on when it cannot be written', async () => {
    await using host = await TestHost.create();
    const qemu = await host.startQemu(smallContract(), { paused: false });
    await expect(saveState(qemu.qmp, `${host.files.folder}/no/state`, soon())).rejects.toMatchObject({
      kind: 'qemu-refused',
    });
    expect(await queryStatus(qemu.qmp, soon())).toMatchObject({ running: true });
  });

  it('is loaded by another QEMU of the same shape', async () => {
    const contract = smallContract();
    await using host = await TestHost.create();
    const first = await host.startQemu(contract, { paused: false });
    const file = `${host.files.folder}/state`;
    await saveState(first.qmp, file, soon());
    expect(await queryStatus(first.qmp, soon())).toEqual({ running: false, status: 'postmigrate' });
    await first.quit(soon());
    const second = await host.startQemu(contract, { incoming: 'defer' });
    await loadState(second, file, soon());
    await second.qmp.execute('cont', {}, soon());
    expect(await queryStatus(second.qmp, soon())).toMatchObject({ running: true });
  });

  it('is refused, with the reason, by a QEMU of another shape', async () => {
    await using host = await TestHost.create();
    const first = await host.startQemu(smallContract(), { paused: false });
    const file = `${host.files.folder}/state`;
    await saveState(first.qmp, file, soon());
    await first.quit(soon());
    const second = await host.startQemu(smallContract({ baseMemoryMiB: 256 }), { incoming: 'defer' });
    await expect(loadState(second, file, soon())).rejects.toThrow(/Size mismatch/i);
  });
});

interface TwoHosts extends AsyncDisposable {
  readonly source: QmpProcess;
  readonly target: QmpProcess;
  /** The target listens here. */
  readonly socket: string;
}

async function twoHosts(
  contract: MachineContract = smallContract(),
  targetContract: MachineContract = contract,
  sourceFilling: MachineFilling = emptyFilling,
): Promise<TwoHosts> {
  const cleanup = new AsyncDisposableStack();
  try {
    const home = cleanup.use(await TestHost.create());
    const away = cleanup.use(await TestHost.create(home));
    const source = await home.startQemu(contract, {}, sourceFilling);
    const target = await away.startQemu(targetContract, { incoming: 'defer' });
    expect(await readIncoming(target.qmp, soon())).toBe('waiting');
    await startIncoming(target.qmp, away.files.incomingSocket, soon());
    const socket = away.files.incomingSocket;
    return { source, target, socket, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
  } catch (error) {
    await cleanup.disposeAsync();
    throw error;
  }
}

/** A link that carries so many bytes and then hangs, until it is cut. */
class CuttableLink implements AsyncDisposable {
  readonly path: string;
  readonly full: Promise<void>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held = false;

  private constructor(path: string, to: string, bytes: number) {
    const full = Promise.withResolvers<void>();
    this.path = path;
    this.full = full.promise;
    this.#server = createServer((near) => {
      const far = connect(to);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
      }
      far.pipe(near);
      let carried = 0;
      near.on('data', (data) => {
        if (!this.#held) far.write(data);
        carried += data.length;
        if (carried < bytes && !this.#held) return;
        near.pause();
        full.resolve();
      });
    });
  }

  static async create(path: string, to: string, bytes: number): Promise<CuttableLink> {
    const link = new CuttableLink(path, to, bytes);
    link.#server.listen(path);
    await once(link.#server, 'listening');
    return link;
  }

  /** Carries nothing any more, and does not close. */
  hold(): void {
    this.#held = true;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
