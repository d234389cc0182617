import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { serveChannelToUnixSocket } from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices } from '../pairing/two-devices.ts';
import { soon } from './forwarded.ts';

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
