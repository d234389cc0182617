import { once } from 'node:events';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { serveChannelToUnixSocket } from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { encodeFrame } from '../../../host-plugins/tunnel/session/encode-frame.ts';
import { encodePlaces } from '../../../host-plugins/tunnel/session/frame-bodies.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices, type TestDevice } from '../pairing/two-devices.ts';
import { soon } from './forwarded.ts';

const life = '00112233445566778899aabbccddeeff';

/** What mid asks of pc over a connection of its own, by hand. */
async function askedForLink(
  { mid, pc }: { mid: TestDevice; pc: TestDevice },
  path: string,
  header: string,
): Promise<Disposable & { socket: TLSSocket }> {
  const { certificatePem: cert, privateKeyPem: key } = mid.identity;
  const socket = connectTls({ port: pc.port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: wdock-link\r\n${header}\r\n\r\n`,
  );
  return { socket, [Symbol.dispose]: () => socket.destroy() };
}

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

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
    ['another path', '/link/../peer', 'Wdock-Life: 00112233445566778899aabbccddeeff'],
    ['no life', '/link', 'X: y'],
    ['a life that is none', '/link', 'Wdock-Life: ../../etc/passwd'],
    [
      'a session without its secret',
      '/link',
      'Wdock-Life: 00112233445566778899aabbccddeeff\r\nWdock-Session: 00112233445566778899aabbccddeeff',
    ],
  ])(
    'answers the hostile request of a trusted device, with %s, with a refusal',
    async (_what, path, header) => {
      await using devices = await pairedDevices();
      using link = await askedForLink(devices, path, header);
      expect(await text(link.socket)).toMatch(/^HTTP\/1.1 400 /);
    },
  );

  it('gets no link to a session that is not there, or whose secret is another', async () => {
    await using devices = await pairedDevices();
    using _ = devices.pc.channels.accept('disk/*', async () => duplexPair()[0]);
    await devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon());
    const id = devices.pc.channels.sessions[0]?.names.id ?? '';
    for (const session of [id, '0'.repeat(32)]) {
      const headers = [`Wdock-Life: ${life}`, `Wdock-Session: ${session}`, `Wdock-Secret: ${'0'.repeat(64)}`];
      using link = await askedForLink(devices, '/link', headers.join('\r\n'));
      expect(await text(link.socket)).toMatch(/^HTTP\/1.1 404 .*there is no such session here/s);
    }
  });

  it('ends a session whose other end says that it can be reached at what is no address', async () => {
    await using devices = await pairedDevices();
    using link = await askedForLink(devices, '/link', `Wdock-Life: ${life}`);
    await once(link.socket, 'data'); // it was granted
    const frame = { kind: 'places', number: 0, channel: 0, place: 0, answer: false } as const;
    const body = [encodePlaces([{ address: '-x y z', by: 'eth0' }])];
    for (const piece of encodeFrame({ ...frame, body })) link.socket.write(piece);
    await once(link.socket.resume(), 'close');
    expect(devices.pc.channels.sessions).toHaveLength(0);
  });

  it('ends a session whose frames break the protocol, and goes on with others', async () => {
    await using devices = await pairedDevices();
    using link = await askedForLink(devices, '/link', `Wdock-Life: ${life}`);
    await once(link.socket, 'data'); // it was granted
    expect(devices.pc.channels.sessions).toHaveLength(1);
    link.socket.write(Buffer.alloc(100_000, 0x77));
    await once(link.socket.resume(), 'close');
    expect(devices.pc.channels.sessions).toHaveLength(0);
    await expect(
      devices.mid.channels.open(devices.pc.identity.id, 'disk/work', soon()),
    ).rejects.toMatchObject({ detail: { kind: 'not-found' } });
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
