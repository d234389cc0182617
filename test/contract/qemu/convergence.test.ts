import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startIncoming, untilArrived } from '../../../host-plugins/qemu/incoming-migration.ts';
import type { MigrationLimits } from '../../../host-plugins/qemu/migration-settings.ts';
import {
  type MigrationEvent,
  type MigrationStatistics,
  OutgoingMigration,
  type ReadWire,
} from '../../../host-plugins/qemu/outgoing-migration.ts';
import { queryMigration, queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { ExchangedWay } from '../pages/exchanged-move.ts';
import { installBusyGuest } from './busy-guest.ts';
import { smallContract, soon, TestHost } from './machine-fixture.ts';

const megabyte = 1_000_000;
const moveMs = 150_000;

describe.each(['as QEMU writes it', 'through the page exchange'] as const)(
  'a move over a slow link, %s,',
  {
    timeout: 200_000,
  },
  (how) => {
    it('slows a guest that writes as fast as the link carries, and only then ends', async () => {
      const { events, statistics } = await move(how, { bytes: 8 * 1024 * 1024, rest: 30_000 });
      const slowed = events.findIndex(({ kind }) => kind === 'slowed');
      expect(slowed).toBeGreaterThan(0);
      expect(events.slice(0, slowed)).toContainEqual(
        expect.objectContaining({ kind: 'downtime-raised', limitMs: 300 }),
      );
      expect(events.findIndex(({ kind }) => kind === 'completed')).toBeGreaterThan(slowed);
      expect(statistics.throttlePercent).toBeGreaterThanOrEqual(20);
    });

    it('leaves a guest that writes little as fast as it is', async () => {
      const { events, statistics } = await move(how, { bytes: 256 * 1024, rest: 3_000_000 });
      expect(events.map(({ kind }) => kind)).not.toContain('slowed');
      expect(statistics.throttlePercent).toBe(0);
    });
  },
);

/** Moves a guest that is busy so over 4 MB/s; it runs on the target then. */
async function move(
  how: 'as QEMU writes it' | 'through the page exchange',
  busy: { bytes: number; rest: number },
): Promise<{ events: MigrationEvent[]; statistics: MigrationStatistics }> {
  const limits: MigrationLimits = { downtimeLimitMs: 300, maxDowntimeMs: 3_000 };
  const contract = smallContract();
  await using home = await TestHost.create();
  await using away = await TestHost.create(home);
  await installBusyGuest(home.diskPath, busy);
  const source = await home.startQemu(contract, { paused: false });
  const target = await away.startQemu(contract, { incoming: 'defer' });
  await startIncoming(target.qmp, away.files.incomingSocket, soon());
  await using ways = new AsyncDisposableStack();
  const incoming = away.files.incomingSocket;
  let [socket, readWire]: [string, ReadWire] = [`${incoming}.link`, () => undefined];
  if (how === 'as QEMU writes it') {
    ways.use(await SlowLink.create(socket, incoming));
  } else {
    const way = ways.use(await ExchangedWay.create(socket, incoming));
    // Between its ends.
    await rename(`${socket}.far`, `${socket}.farther`);
    ways.use(await SlowLink.create(`${socket}.far`, `${socket}.farther`));
    readWire = () => way.departing.link;
  }
  const events: MigrationEvent[] = [];
  const onEvent = (event: MigrationEvent) => events.push(event);
  const outgoing = await OutgoingMigration.start(source.qmp, { socket, limits, readWire, onEvent }, soon());
  await outgoing.untilPreSwitchover(soon(moveMs));
  const [statistics] = await Promise.all([outgoing.finish(soon()), untilArrived(target, soon())]);
  await target.qmp.execute('cont', {}, soon());
  expect(await queryStatus(target.qmp, soon())).toMatchObject({ running: true });
  expect((await queryMigration(source.qmp, soon())).status).toBe('completed');
  return { events, statistics };
}

/** Carries 4 MB/s to the target, and what comes back at once. */
class SlowLink implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, to: string) {
    this.path = path;
    this.#server = createServer((near) => {
      const far = connect(to);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
      }
      far.pipe(near);
      let due = performance.now();
      near.on('data', (data) => {
        near.pause();
        // Carried when all before it has been, at the rate of the link.
        due = Math.max(performance.now(), due + (data.length / (4 * megabyte)) * 1_000);
        far.write(data);
        void delay(Math.max(0, due - performance.now())).then(() => near.resume());
      });
      near.on('end', () => far.end());
    });
  }

  static async create(path: string, to: string): Promise<SlowLink> {
    const link = new SlowLink(path, to);
    link.#server.listen(path);
    await once(link.#server, 'listening');
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
