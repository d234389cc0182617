import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import {
  forwardUnixListener,
  serveChannelToUnixSocket,
} from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices, type TestDevice } from '../pairing/two-devices.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const soon = () => AbortSignal.timeout(20_000);

/** A local program that listens on a unix socket, such as qemu-storage-daemon. */
async function localServer(device: TestDevice, onConnection: (socket: Socket) => void) {
  const path = join(device.folder, 'local.sock');
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As a local program sees that a channel is gone: the end of what it reads, or an error. */
const closed = (stream: Duplex) =>
  new Promise<void>((resolve) => {
    stream.once('end', () => resolve()).once('close', () => resolve());
  });

/** mid's local program reaches a program on pc through `forward.sock`. */
async function forwarded(onConnection: (socket: Socket) => void) {
  const stack = new AsyncDisposableStack();
  const devices = stack.use(await pairedDevices());
  const local = stack.use(await localServer(devices.pc, onConnection));
  stack.use(serveChannelToUnixSocket(devices.pc.channels, 'disk/*', () => local.path));
  const errors: DockError[] = [];
  const path = join(devices.mid.folder, 'forward.sock');
  const listener = stack.use(
    await forwardUnixListener(devices.mid.channels, path, devices.pc.identity.id, 'disk/work', {
      onError: (error) => errors.push(error),
    }),
  );
  const open = async (): Promise<Socket> => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  return { ...devices, local, listener, errors, open, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('opening a channel', () => {
  it('is refused when the other device offers none of that name', async () => {
    await using devices = await pairedDevices();
    const call = devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon());
    await expect(call).rejects.toMatchObject({ kind: 'peer-refused', detail: { kind: 'not-found' } });
  });

  it('is refused with the reason when the other device does not want it now', async () => {
    await using devices = await pairedDevices();
    using _ = devices.pc.channels.accept('disk/*', async ({ deviceName }) => {
      throw new DockError('conflict', `${deviceName} does not own it`);
    });
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({
      kind: 'peer-refused',
      message: /mid does not own it/,
    });
  });

  it('is refused when nobody listens on the local socket over there', async () => {
    await using devices = await pairedDevices();
    const missing = join(devices.pc.folder, 'missing.sock');
    using _ = serveChannelToUnixSocket(devices.pc.channels, 'disk/*', () => missing);
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({
      kind: 'peer-refused',
      detail: { kind: 'not-found' },
    });
  });

  it.each(['disk/../../etc', 'disk/x HTTP/1.1\r\nUpgrade: y', '', 'DISK/X'])(
    'refuses the name %j itself',
    async (name) => {
      await using devices = await pairedDevices();
      await expect(devices.mid.channels.open(devices.pc.identity.id, name, soon())).rejects.toMatchObject({
        kind: 'usage',
      });
    },
  );

  it.each([
    '/channel/',
    '/channel/..%2f..',
    '/channel/disk/../x',
    '/disk/work',
    `/channel/${'a/'.repeat(50)}`,
  ])('answers the hostile path %j of a trusted device with a refusal', async (path) => {
    await using devices = await pairedDevices();
    const { certificatePem: cert, privateKeyPem: key } = devices.mid.identity;
    const socket = connectTls({
      port: devices.pc.port,
      host: '127.0.0.1',
      cert,
      key,
      rejectUnauthorized: false,
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: wdock-channel\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /);
  });

  it('ends when the caller gives up while the other device hesitates', async () => {
    await using devices = await pairedDevices();
    const entered = Promise.withResolvers<AbortSignal>();
    using _ = devices.pc.channels.accept('disk/*', async (_request, signal) => {
      entered.resolve(signal);
      await once(signal, 'abort');
      throw signal.reason;
    });
    const controller = new AbortController();
    const call = devices.mid.channels.open(devices.pc.identity.id, 'disk/work', controller.signal);
    const signal = await entered.promise;
    controller.abort();
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' });
    if (!signal.aborted) await once(signal, 'abort'); // the other end is told
  });

  it('is not offered any more after it was disposed', async () => {
    await using devices = await pairedDevices();
    const offer = devices.pc.channels.accept('disk/*', async () => {
      throw new Error('never asked');
    });
    offer[Symbol.dispose]();
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({
      detail: { kind: 'not-found' },
    });
  });
});

describe('a fence', () => {
  it('ends the open channels of that device at once, on both ends, and refuses new ones, until it is lifted', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    const local = await way.open();
    local.write('x');
    await once(local, 'data');
    const ended = closed(local);
    const fence = way.pc.channels.fence(way.mid.identity.id, 'disk/work');
    await ended;

    const refused = await way.open();
    await closed(refused.resume());
    expect(way.errors.at(-1)).toMatchObject({ kind: 'peer-refused', message: /fenced off/ });

    fence[Symbol.dispose]();
    const again = await way.open();
    again.write('y');
    expect(String((await once(again, 'data'))[0])).toBe('y');
    again.destroy();
  });

  it('hands on nothing more of what was under way', async () => {
    let received = 0;
    let fenced = false;
    let after = 0;
    await using way = await forwarded((socket) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (fenced) after += chunk.length;
      });
    });
    const local = await way.open();
    const chunk = Buffer.alloc(256 * 1024);
    const ended = closed(local);
    let writing = true;
    const writer = (async () => {
      while (writing && !local.destroyed) {
        if (!local.write(chunk)) await Promise.race([once(local, 'drain').catch(() => undefined), ended]);
      }
    })();
    while (received < 8 * 1024 * 1024) await new Promise((resolve) => setImmediate(resolve));
    using _ = way.pc.channels.fence(way.mid.identity.id, 'disk/*');
    fenced = true;
    await ended;
    writing = false;
    await writer;
    // what the kernel held for the local program when the fence fell: at most one socket buffer
    expect(after).toBeLessThan(1024 * 1024);
  });

  it('has let go of the local program when it returns, not only soon after', async () => {
    await using devices = await pairedDevices();
    const [ours, theirs] = duplexPair();
    using _ = devices.pc.channels.accept('disk/*', async () => theirs);
    const channel = await devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon());
    channel.stream.write('x');
    await once(ours, 'data');
    using _fence = devices.pc.channels.fence(devices.mid.identity.id, 'disk/*');
    expect(theirs.destroyed).toBe(true);
    channel.stream.destroy();
  });

  it('leaves other channels and other devices alone', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    using _a = way.pc.channels.fence(way.mid.identity.id, 'disk/other');
    using _b = way.pc.channels.fence('0'.repeat(64), 'disk/work');
    const local = await way.open();
    local.write('z');
    expect(String((await once(local, 'data'))[0])).toBe('z');
    local.destroy();
  });

  it('also stops channels that this end would open', async () => {
    await using devices = await pairedDevices();
    using _ = devices.mid.channels.fence(devices.pc.identity.id, 'disk/*');
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({
      kind: 'conflict',
    });
  });
});

describe('a channel', () => {
  it('breaks when the device is forgotten', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    const local = await way.open();
    local.write('x');
    await once(local, 'data');
    const ended = closed(local);
    await way.pc.trust.forget('mid');
    await ended;
  });

  it('breaks for the local program when the program at the other end dies', async () => {
    const accepted = Promise.withResolvers<Socket>();
    await using way = await forwarded((socket) => accepted.resolve(socket));
    const local = await way.open();
    const ended = closed(local.resume());
    (await accepted.promise).destroy();
    await ended;
  });

  it('tells the other end when the local program goes away before the channel is open', async () => {
    const accepted = Promise.withResolvers<Socket>();
    await using way = await forwarded((socket) => accepted.resolve(socket));
    const local = await way.open();
    local.destroy();
    const socket = await accepted.promise;
    socket.resume();
    await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
  });

  it('carries 64 MiB each way at once, byte for byte, and counts them', async () => {
    const size = 64 * 1024 * 1024;
    const block = randomBytes(1024 * 1024);
    const send = async (socket: Duplex): Promise<string> => {
      const hash = createHash('sha256');
      for (let sent = 0; sent < size; sent += block.length) {
        block.writeUInt32BE(sent / block.length, 0);
        const copy = Buffer.from(block);
        hash.update(copy);
        if (!socket.write(copy)) await once(socket, 'drain');
      }
      socket.end();
      return hash.digest('hex');
    };
    const receive = async (socket: Duplex): Promise<string> => {
      const hash = createHash('sha256');
      for await (const chunk of socket) hash.update(chunk as Buffer);
      return hash.digest('hex');
    };
    const far = Promise.withResolvers<[string, string]>();
    await using way = await forwarded((socket) => {
      far.resolve(Promise.all([send(socket), receive(socket)]));
    });
    const local = await way.open();
    const near = await Promise.all([send(local), receive(local)]);
    const [farSent, farReceived] = await far.promise;
    expect(near).toEqual([farReceived, farSent]);
    expect(way.mid.channels.traffic('disk/*')).toEqual({ sentBytes: size, receivedBytes: size });
    expect(way.pc.channels.traffic('disk/work')).toEqual({ sentBytes: size, receivedBytes: size });
  }, 60_000);

  it('holds the sender back when the receiver does not read, and loses nothing', async () => {
    const reader = Promise.withResolvers<Socket>();
    await using way = await forwarded((socket) => {
      socket.pause();
      reader.resolve(socket);
    });
    const local = await way.open();
    const chunk = Buffer.alloc(64 * 1024, 1);
    let written = 0;
    let stalled = false;
    const limit = 256 * 1024 * 1024;
    while (!stalled && written < limit) {
      written += chunk.length;
      if (local.write(chunk)) continue;
      // a whole second without a drain: every buffer on the way is full
      const drained = once(local, 'drain').then(() => true);
      stalled = !(await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, 1000, false))]));
    }
    expect(stalled).toBe(true);
    expect(written).toBeLessThan(64 * 1024 * 1024);
    local.end();
    let received = 0;
    for await (const data of await reader.promise) received += (data as Buffer).length;
    expect(received).toBe(written);
  }, 60_000);

  it('passes on an end in one direction while the other goes on', async () => {
    await using way = await forwarded((socket) => {
      text(socket).then(
        (question) => socket.end(`${question} yourself`),
        (error: unknown) => socket.destroy(DockError.from(error)),
      );
    });
    const local = await way.open();
    local.end('ask');
    expect(await text(local)).toBe('ask yourself');
  });

  it('can be had as a stream, without sockets', async () => {
    await using devices = await pairedDevices();
    const [ours, theirs] = duplexPair();
    using _ = devices.pc.channels.accept('hello/*', async () => theirs);
    const channel = await devices.mid.channels.open(devices.pc.identity.id, 'hello/x', soon());
    channel.stream.write('a');
    expect(String((await once(ours, 'data'))[0])).toBe('a');
    ours.write('bc');
    expect(String((await once(channel.stream, 'data'))[0])).toBe('bc');
    expect(channel.traffic()).toEqual({ sentBytes: 1, receivedBytes: 2 });
    channel.stream.destroy();
  });

  it('counts every connection of a listener, and the listener closes them all', async () => {
    await using way = await forwarded((socket) => socket.pipe(socket));
    const locals = await Promise.all([way.open(), way.open(), way.open()]);
    for (const local of locals) {
      local.write('x');
      await once(local, 'data');
    }
    expect(way.listener.connections).toBe(3);
    const ended = locals.map(closed);
    await way.listener[Symbol.asyncDispose]();
    await Promise.all(ended);
    await expect(stat(way.listener.path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('the socket that a listener makes', () => {
  it('replaces one that a dead process left, and only its owner may use it', async () => {
    await using devices = await pairedDevices();
    const path = join(devices.mid.folder, 'left.sock');
    await writeFile(path, '');
    await using _ = await forwardUnixListener(
      devices.mid.channels,
      path,
      devices.pc.identity.id,
      'disk/work',
    );
    const { mode } = await stat(path);
    expect((mode & 0o777).toString(8)).toBe('600');
  });

  it('is refused with its length when the kernel cannot take the path', async () => {
    await using devices = await pairedDevices();
    const path = join(devices.mid.folder, 'x'.repeat(100));
    await expect(
      forwardUnixListener(devices.mid.channels, path, devices.pc.identity.id, 'disk/work'),
    ).rejects.toMatchObject({ kind: 'config-invalid', message: /107/ });
  });
});
