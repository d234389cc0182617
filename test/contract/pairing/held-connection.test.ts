import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { describe, expect, it, vi } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices, trust } from './two-devices.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const soon = () => AbortSignal.timeout(10_000);

describe('a connection that is held', () => {
  it('comes back by itself after it broke, and after the other device was away', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const reachable = () => once(mid.peers, 'reachable', { signal: soon() });
    let next = reachable();
    using _hold = mid.peers.hold(pc.identity.id);
    await next;
    next = reachable();
    const lost = once(mid.peers, 'unreachable', { signal: soon() });
    pc.server.closeDevice(mid.identity.id);
    await lost;
    await next;
    expect(mid.peers.isConnected(pc.identity.id)).toBe(true);
  });

  it('is not dialled any more once it was released', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const connected = once(mid.peers, 'reachable', { signal: soon() });
    const hold = mid.peers.hold(pc.identity.id);
    await connected;
    hold[Symbol.dispose]();
    const lost = once(mid.peers, 'unreachable', { signal: soon() });
    const dialled: unknown[] = [];
    pc.peers.on('reachable', (device) => dialled.push(device));
    pc.server.closeDevice(mid.identity.id);
    await lost;
    // the first retry would have come after 250 ms
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(dialled).toEqual([]);
  });

  it('has nothing of it left after it was released, while another one holds it on', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const connected = once(mid.peers, 'reachable', { signal: soon() });
    using _lasting = mid.peers.hold(pc.identity.id);
    await connected;
    const holdAndRelease = async () => {
      using _ = mid.peers.hold(pc.identity.id);
      await turn(); // it has found the connection, and waits for its end
    };
    const count = () =>
      queryObjects(DockError, { format: 'count' }) + queryObjects(AbortController, { format: 'count' });
    await holdAndRelease();
    const before = count();
    for (let round = 0; round < 50; round++) await holdAndRelease();
    expect(count() - before).toBeLessThan(10);
  });
});

describe('an attempt to connect that was begun before the way was there', () => {
  it('fails for whoever began it; who joined it gets a connection that was begun now', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const taken: Socket[] = [];
    let isThere = false;
    const way = createServer((socket) => {
      taken.push(socket.on('error', () => undefined));
      if (!isThere) return; // whoever dials hears nothing
      const on = connect(pc.port, '127.0.0.1').on('error', () => undefined);
      socket.pipe(on).pipe(socket);
    }).listen(0, '127.0.0.1');
    try {
      await once(way, 'listening');
      const { port } = way.address() as AddressInfo;
      await mid.trust.forget('pc');
      await trust(mid, pc, `127.0.0.1:${port}`);
      const first = mid.peers.connect(pc.identity.id, soon());
      const failed = first.catch((error: unknown) => DockError.from(error).kind);
      await once(way, 'connection', { signal: soon() });
      const second = mid.peers.connect(pc.identity.id, soon());
      isThere = true;
      taken[0]?.destroy();
      expect(await failed).toBe('peer-gone');
      expect((await second).open).toBe(true);
      expect(taken).toHaveLength(2);
    } finally {
      way.close();
      for (const socket of taken) socket.destroy();
    }
  });
});
