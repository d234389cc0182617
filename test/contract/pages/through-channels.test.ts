import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArrivingPages } from '../../../host-plugins/pages/arriving-pages.ts';
import { DepartingPages } from '../../../host-plugins/pages/departing-pages.ts';
import { pageBytes } from '../../../host-plugins/pages/page-list.ts';
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

  it('takes its time to make pages small while the way is slow and processors are idle, and only then', async () => {
    const text = new StreamBuilder().section(
      pages.slice(0, 3000).map(({ block, page }) => ({ block, page, content: prose(page) })),
    );
    const sent = async (idleShare: number) => {
      await using way = await twoPrograms([], [], { idleShare: () => idleShare, bytesPerS: 8_000_000 });
      const { received, wireBytes } = await way.send(text.build());
      expect(received.equals(text.build())).toBe(true);
      return wireBytes;
    };
    expect(await sent(1)).toBeLessThan(0.95 * (await sent(0)));
  });

  it('ends both connections when the ends mean other sources', async () => {
    const source = { kind: 'kept', digest: 'abc', pages: 0, hashes: new SharedArrayBuffer(0) };
    await using way = await twoPrograms([source], []);
    await expect(way.send(stream)).rejects.toThrow();
    expect(way.failures).toMatchObject([{ kind: 'protocol' }]);
  });
});

/** Park and Miller 1988. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; state = (state * 48_271) % 0x7fff_ffff) yield state;
}

const letters = numbers(1);
const phrases = Array.from({ length: 5000 }, () =>
  Array.from({ length: 24 }, () => (letters.next().value % 36).toString(36)).join(''),
);

/** A page of phrases that others have too: a compressor finds the more of them, the longer it looks. */
function prose(page: number): Buffer {
  const picks = numbers(page + 1);
  let text = '';
  while (text.length < pageBytes)
    text += phrases[picks.next().value % phrases.length]?.slice(0, 3 + (picks.next().value % 24));
  return Buffer.from(text.slice(0, pageBytes));
}

/** Two local programs, one on each of two devices, as two QEMUs are joined for a move. */
async function twoPrograms(
  sending: readonly SendingSource[],
  receiving: readonly ReceivingSource[] = sending as readonly (SendingSource & ReceivingSource)[],
  { idleShare, bytesPerS }: { readonly idleShare?: () => number; readonly bytesPerS?: number } = {},
) {
  const stack = new AsyncDisposableStack();
  const { mid, pc } = stack.use(await pairedDevices());
  const departing = stack.use(new DepartingPages(sending, idleShare));
  const arriving = stack.use(new ArrivingPages(receiving));
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  const failures: unknown[] = [];
  const received = Promise.withResolvers<Buffer>();
  received.promise.catch(() => undefined);
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if (bytesPerS === undefined) return;
      socket.pause();
      setTimeout(() => socket.resume(), (part.length / bytesPerS) * 1000);
    });
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
