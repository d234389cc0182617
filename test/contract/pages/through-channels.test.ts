import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArrivingPages } from '../../../host-plugins/pages/arriving-pages.ts';
import { DepartingPages } from '../../../host-plugins/pages/departing-pages.ts';
import type { ReceivingSource, SendingSource } from '../../../host-plugins/pages/page-source.ts';
import {
  forwardUnixListener,
  serveChannelToUnixSocket,
} from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { contentOf } from '../../unit/pages/any-stream.ts';
import { StreamBuilder } from '../../unit/pages/built-stream.ts';
import { sourceOf } from '../../unit/pages/sync-exchange.ts';
import { pairedDevices } from '../pairing/two-devices.ts';

const pages = Array.from({ length: 6000 }, (_, i) => ({
  block: 'base',
  page: i,
  content: i % 3 === 0 ? undefined : contentOf(i * 7 + 1),
}));
const stream = new StreamBuilder().section(pages).section(pages.slice(100, 200), true).build();

describe('the page exchange over a channel between two devices', { timeout: 60_000 }, () => {
  it('brings the stream whole, and back what is answered', async () => {
    await using way = await twoPrograms([]);
    const { received, answer, pages: went } = await way.send(stream);
    expect(received.equals(stream)).toBe(true);
    expect(answer).toBe('has it');
    expect(went.zero).toBe(2033);
    // A busy machine may leave a record torn for so long that its page is not told apart.
    expect(went.new).toBeGreaterThan(3900);
    expect(went.repeated).toBeGreaterThan(50);
    expect(way.departing.table?.digest()).toBe(way.arriving.table?.digest());
  });

  it('names the pages that the target has, and sends those again that it has not after all', async () => {
    const contents = pages.flatMap(({ content }) => (content === undefined ? [] : [content]));
    const { hashes } = sourceOf(contents);
    const source: SendingSource & ReceivingSource = {
      kind: 'kept',
      digest: 'abc',
      pages: contents.length,
      hashes,
      read: async (indices) => [...indices].map((index) => (index === 1700 ? contents[3] : contents[index])),
    };
    await using way = await twoPrograms([source]);
    const { received, wireBytes, pages: went } = await way.send(stream);
    expect(received.equals(stream)).toBe(true);
    expect(went).toMatchObject({ new: 0, repeated: 0, referenced: [{ kind: 'kept' }] });
    expect(went.referenced[0]?.pages).toBeGreaterThan(3950);
    // the batch that came again, and little besides
    expect(wireBytes).toBeGreaterThan(2_000);
    expect(wireBytes).toBeLessThan(40_000);
  });

  it('ends both connections when the ends mean other sources', async () => {
    const source = { kind: 'kept', digest: 'abc', pages: 0, hashes: new SharedArrayBuffer(0) };
    await using way = await twoPrograms([source], []);
    await expect(way.send(stream)).rejects.toThrow();
    expect(way.failures).toMatchObject([{ kind: 'protocol' }]);
  });
});

/** Two local programs, one on each of two devices, as two QEMUs are joined for a move. */
async function twoPrograms(
  sending: readonly SendingSource[],
  receiving: readonly ReceivingSource[] = sending as readonly (SendingSource & ReceivingSource)[],
) {
  const stack = new AsyncDisposableStack();
  const { mid, pc } = stack.use(await pairedDevices());
  const departing = stack.use(new DepartingPages(sending));
  const arriving = stack.use(new ArrivingPages(receiving));
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const failures: unknown[] = [];
  const received = Promise.withResolvers<Buffer>();
  received.promise.catch(() => undefined);
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('end', () => {
      received.resolve(Buffer.concat(parts));
      socket.end('has it');
    });
    socket.on('error', (error) => received.reject(error));
    stack.defer(() => void socket.destroy());
  });
  const at = join(pc.folder, 'target.sock');
  target.listen(at);
  await once(target, 'listening');
  stack.defer(() => void target.close());
  stack.use(
    serveChannelToUnixSocket(
      pc.channels,
      'memory/*/*',
      () => at,
      (qemu) => arriving.join(qemu, (error) => failures.push(error), stop.signal),
    ),
  );
  const path = join(mid.folder, 'source.sock');
  stack.use(
    await forwardUnixListener(mid.channels, path, pc.identity.id, 'memory/work/2', {
      priority: 'bulk',
      join: departing.join,
    }),
  );
  return {
    departing,
    arriving,
    failures,
    async send(bytes: Buffer) {
      const socket = connect({ path, allowHalfOpen: true });
      stack.defer(() => void socket.destroy());
      const closed = once(socket, 'close').then(() => {
        throw new Error('the connection was closed');
      });
      closed.catch(() => undefined);
      let answer = '';
      socket.on('data', (part) => {
        answer += part.toString();
      });
      const ended = once(socket, 'end');
      socket.end(bytes);
      const whole = await Promise.race([received.promise, closed]);
      await ended;
      return { received: whole, answer, ...departing.departed };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
