import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { forwardUnixListener } from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices } from '../pairing/two-devices.ts';
import { closed, forwarded, soon } from './forwarded.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

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

  it('is not cut short for a program that reads its last bytes when both ends are through with it', async () => {
    await using devices = await pairedDevices();
    // the program's socket takes one word, and the others wait before it
    const [local, program] = duplexPair({ readableHighWaterMark: 1, writableHighWaterMark: 1024 });
    using _ = devices.pc.channels.accept('hello/*', async () => local);
    const { stream } = await devices.mid.channels.open(devices.pc.identity.id, 'hello/x', soon());
    program.end();
    let sent = 0;
    for (const word of ['what ', 'came ', 'last']) {
      stream.write(word);
      sent += word.length;
      await vi.waitFor(() =>
        expect(devices.pc.channels.traffic('hello/x')).toMatchObject({ receivedBytes: sent }),
      );
    }
    stream.end();
    expect(await text(stream)).toBe('');
    await vi.waitFor(() => expect(devices.pc.channels.sessions[0]?.channelCount ?? 0).toBe(0));
    expect(await text(program)).toBe('what came last');
    await vi.waitFor(() => expect(local.closed).toBe(true));
    expect(devices.pc.channels.traffic('hello/x')).toEqual({ sentBytes: 0, receivedBytes: 14 });
  });

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
