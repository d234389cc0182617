import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startIncoming, untilArrived } from '../../../host-plugins/qemu/incoming-migration.ts';
import { type MigrationEvent, OutgoingMigration } from '../../../host-plugins/qemu/outgoing-migration.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import {
  forwardUnixListener,
  serveChannelToUnixSocket,
} from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { pairedDevices, trust } from '../pairing/two-devices.ts';
import { emptyFilling, smallContract, TestHost } from '../qemu/machine-fixture.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const patient = () => within(110_000);

describe('a move of QEMU through the tunnel', { timeout: 120_000 }, () => {
  it('survives that every link is cut for half a minute in the middle of the memory', async () => {
    await using move = await movingMachine(64 * 1024);
    const outgoing = await move.start();
    const memory = outgoing.untilPreSwitchover(patient());
    await move.way.reached;
    move.way.cut();
    await delay(31_000);
    move.way.restore();
    await memory;
    await outgoing.finish(patient());
    await move.arrived;
    expect(await queryStatus(move.target.qmp, patient())).toMatchObject({ running: false });
    expect(move.events.map(({ kind }) => kind)).toContain('stalled');
    expect(move.way.dialled).toBeGreaterThan(1);
  });

  it('survives a cut while the last state is sent', async () => {
    await using move = await movingMachine(Number.POSITIVE_INFINITY);
    const outgoing = await move.start();
    await outgoing.untilPreSwitchover(patient());
    move.way.cut();
    const finished = outgoing.finish(patient());
    await delay(5_000);
    move.way.restore();
    await finished;
    await move.arrived;
    expect(await queryStatus(move.target.qmp, patient())).toMatchObject({ running: false });
  });

  it('is cancelled at once while every link is cut, and the guest goes on on the source', async () => {
    await using move = await movingMachine(64 * 1024);
    const outgoing = await move.start();
    const memory = outgoing.untilPreSwitchover(patient());
    memory.catch(() => undefined);
    await move.way.reached;
    move.way.cut();
    expect(await outgoing.cancel(patient())).toBe('cancelled');
    expect(await queryStatus(move.source.qmp, patient())).toMatchObject({ running: true });
    move.arrived.catch(() => undefined);
  });
});

/** Two QEMUs without a guest on two devices whose only way to each other can be cut. */
async function movingMachine(reach: number) {
  await using stack = new AsyncDisposableStack();
  const devices = stack.use(await pairedDevices());
  const { mid, pc } = devices;
  const way = stack.use(await CuttableWay.create(pc.port, reach));
  await trust(mid, pc, `127.0.0.1:${way.port}`);
  await trust(pc, mid, '127.0.0.1:1');
  const home = stack.use(await TestHost.create());
  const away = stack.use(await TestHost.create(home));
  const source = await home.startQemu(smallContract(), {}, emptyFilling);
  const target = await away.startQemu(smallContract(), { incoming: 'defer' });
  await source.qmp.execute('cont', {}, patient());
  const incoming = away.files.incomingSocket;
  await startIncoming(target.qmp, incoming, patient());
  stack.use(serveChannelToUnixSocket(pc.channels, 'memory/*', () => incoming));
  const path = `${incoming}.out`;
  const listener = stack.use(
    await forwardUnixListener(mid.channels, path, pc.identity.id, 'memory/work', { priority: 'bulk' }),
  );
  const events: MigrationEvent[] = [];
  const arrived = untilArrived(target, patient());
  const start = () =>
    OutgoingMigration.start(
      source.qmp,
      { socket: listener.path, onEvent: (event) => events.push(event) },
      patient(),
    );
  const owned = stack.move();
  return { source, target, way, events, arrived, start, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Passes connections on to a port, until it is cut; then nothing is there. */
class CuttableWay implements AsyncDisposable {
  dialled = 0;
  port = 0;
  /** So many bytes have gone to the port; from then on nothing more goes until it was cut and restored. */
  readonly reached: Promise<void>;
  readonly #open = new Set<Socket>();
  readonly #server = createServer((from) => this.#pass(from));
  #isCut = false;
  #left: number;
  #onReached: () => void = () => undefined;
  readonly #target: number;

  private constructor(target: number, reach: number) {
    this.#target = target;
    this.#left = reach;
    this.reached = new Promise((resolve) => {
      this.#onReached = resolve;
    });
  }

  static async create(target: number, reach: number): Promise<CuttableWay> {
    const way = new CuttableWay(target, reach);
    way.#server.listen(0, '127.0.0.1');
    await once(way.#server, 'listening');
    way.port = (way.#server.address() as { port: number }).port;
    return way;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  restore(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#isCut = false;
  }

  #pass(from: Socket): void {
    from.on('error', () => undefined);
    if (this.#isCut) {
      from.destroy();
      return;
    }
    this.dialled++;
    const to = connect(this.#target, '127.0.0.1');
    for (const socket of [from, to.on('error', () => undefined)]) {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    }
    to.pipe(from);
    from.on('data', (chunk) => {
      if (this.#left <= 0) return;
      this.#left -= chunk.length;
      to.write(chunk);
      if (this.#left <= 0) this.#onReached();
    });
    from.once('close', () => to.destroy());
    to.once('close', () => from.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}
