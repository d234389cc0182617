import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { generateIdentity, type Identity } from '../../../host-plugins/pairing/identity.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { harmlessRelay } from './pairing-fixture.ts';
import {
  pairedDevices,
  type TestDevice,
  type TestHandlers,
  testDevice,
  trust,
  whoAmI,
} from './two-devices.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes and sockets, on a machine that may be busy

const soon = () => AbortSignal.timeout(10_000);

/** What a device answers to a connection with this identity, or without any, that sends `request` at once. */
async function answerTo(
  device: TestDevice,
  identity: Identity | undefined,
  request: string,
): Promise<string> {
  const socket = connectTls({
    port: device.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(identity === undefined ? {} : { key: identity.privateKeyPem, cert: identity.certificatePem }),
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write(request);
  return await text(socket).catch(() => 'reset');
}

const upgradeRequest = (path: string, protocol: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;

describe('somebody who is not trusted', () => {
  it.each([
    ['with a certificate of its own', true],
    ['without a certificate', false],
  ])('%s has its connection closed without a word, whatever it asks for', async (_what, hasIdentity) => {
    await using pc = await testDevice('pc');
    const identity = hasIdentity ? await generateIdentity('stranger') : undefined;
    for (const request of [
      upgradeRequest('/peer', 'websocket'),
      upgradeRequest('/link', 'wdock-link'),
      'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
      '',
      '\u0000'.repeat(1000),
    ]) {
      expect(await answerTo(pc, identity, request)).toBe('');
    }
    expect(pc.refused).toHaveLength(5);
  });

  it('with the certificate of a trusted device, but not its key, does not get through the handshake', async () => {
    await using devices = await pairedDevices();
    const { certificatePem } = devices.mid.identity;
    const { privateKeyPem } = await generateIdentity('thief');
    expect(() => connectTls({ port: devices.pc.port, cert: certificatePem, key: privateKeyPem })).toThrow(
      /key values mismatch/,
    );
  });

  it('with an older TLS is refused in the handshake', async () => {
    await using devices = await pairedDevices();
    const { certificatePem: cert, privateKeyPem: key } = devices.mid.identity;
    const socket = connectTls({
      port: devices.pc.port,
      host: '127.0.0.1',
      cert,
      key,
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    });
    const [error] = await once(socket, 'error');
    expect(String(error)).toMatch(/protocol version|handshake failure|ECONNRESET/i);
  });

  it('does not keep the trusted ones out by sending rubbish instead of a handshake', async () => {
    await using devices = await pairedDevices();
    const noise: Socket[] = [];
    for (let n = 0; n < 20; n++) {
      const socket = connectTcp(devices.pc.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(n % 2 === 0 ? 'GET / HTTP/1.0\r\n\r\n' : Buffer.alloc(2000, n));
      noise.push(socket);
    }
    expect(await devices.mid.peers.call(devices.pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe(
      'mid',
    );
    for (const socket of noise) socket.destroy();
  });
});

describe('a device that starts', () => {
  it('says so on a connection that it opened itself meanwhile, and answers on it when it is ready', async () => {
    await using devices = await pairedDevices({ mid: { handlers: 'later' } });
    const { mid, pc } = devices;
    const options = () => ({ signal: soon() });
    // As a hand-over does, which asks the other device before anything else.
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, options())).toBe('mid');
    await expect(pc.peers.call(mid.identity.id, 'whoAmI', {}, options())).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('is starting'),
    });
    mid.peers.serve({ handlers: whoAmI });
    expect(await pc.peers.call(mid.identity.id, 'whoAmI', {}, options())).toBe('pc');
  });
});

describe('a stranger that opens connections and says nothing', () => {
  it('gets only some of them, so that the others stay free', async () => {
    await using pc = await testDevice('pc');
    const idle = Array.from({ length: 50 }, () => connectTcp(pc.port, '127.0.0.1'));
    let turnedAway = 0;
    await new Promise<void>((resolve) => {
      for (const socket of idle) {
        socket.on('error', () => undefined).resume();
        socket.once('close', () => {
          turnedAway++;
          if (turnedAway === 18) resolve();
        });
      }
    });
    expect(pc.refused.filter((why) => why.includes('more than 32'))).toHaveLength(18);
    expect(turnedAway).toBe(18);
    for (const socket of idle) socket.destroy();
  });
});

describe('calling another device', () => {
  it('fails as untrusted when something else answers at its address, to which nothing is said', async () => {
    await using mid = await testDevice('mid');
    await using pc = await testDevice('pc');
    await using impostor = await testDevice('impostor');
    await trust(impostor, mid); // it would talk to us gladly
    await trust(mid, pc, `127.0.0.1:${impostor.port}`);
    const reached: unknown[] = [];
    impostor.peers.on('reachable', (device) => reached.push(device));
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'untrusted',
      message: /is not "pc"/,
    });
    expect(reached).toEqual([]);
  });

  it('fails as untrusted, with what to do, when it does not know this device', async () => {
    await using mid = await testDevice('mid');
    await using pc = await testDevice('pc');
    await trust(mid, pc);
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'untrusted',
      message: /pair the two with `wdock pair`/,
    });
  });

  it('fails as gone, not as untrusted, when the other wdockd ends just then', async () => {
    await using mid = await testDevice('mid');
    const { certificatePem: cert, privateKeyPem: key, id } = await generateIdentity('pc');
    const dying = createTlsServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (socket) => {
      dying.close();
      socket.end();
    });
    dying.listen(0, '127.0.0.1');
    await once(dying, 'listening');
    const address = `127.0.0.1:${(dying.address() as { port: number }).port}`;
    await mid.trust.add({ name: 'pc', certificatePem: cert, fingerprint: id, address });
    await expect(mid.peers.call(id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'peer-gone',
      message: /nothing listens there/,
    });
  });

  it('fails as gone when nothing listens there', async () => {
    await using mid = await testDevice('mid');
    const pc = await testDevice('pc');
    await trust(mid, pc);
    await pc[Symbol.asyncDispose]();
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'peer-gone',
      message: /is wdockd running/,
    });
  });

  it('fails as gone when something accepts and never speaks', async () => {
    await using mid = await testDevice('mid');
    await using pc = await testDevice('pc');
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const accepted: Socket[] = [];
    mute.on('connection', (socket) => accepted.push(socket));
    await trust(mid, pc, `127.0.0.1:${(mute.address() as { port: number }).port}`);
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'peer-gone',
      message: /does not answer/,
    });
    for (const socket of accepted) socket.destroy();
    mute.close();
  }, 15_000);

  it('ends when its caller gives up during the handshake', async () => {
    await using mid = await testDevice('mid');
    await using pc = await testDevice('pc');
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    await trust(mid, pc, `127.0.0.1:${(mute.address() as { port: number }).port}`);
    const controller = new AbortController();
    const call = mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: controller.signal });
    const [socket] = (await once(mute, 'connection')) as [Socket];
    controller.abort();
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' });
    socket.destroy();
    mute.close();
  });

  it('is answered, in both directions, over one connection', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
    // pc cannot dial mid any more, so the answer comes over the connection that mid opened
    await trust(pc, mid, '127.0.0.1:1');
    expect(await pc.peers.call(mid.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('pc');
  });

  it('shares one attempt among calls that come together', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const reached: string[] = [];
    pc.peers.on('reachable', ({ name }) => reached.push(name));
    const calls = Array.from({ length: 10 }, () =>
      mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() }),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['mid']));
    expect(reached).toEqual(['mid']);
  });

  it('gets through when both dial at the same moment', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const answers = await Promise.all([
      mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() }),
      pc.peers.call(mid.identity.id, 'whoAmI', {}, { signal: soon() }),
    ]);
    expect(answers).toEqual(['mid', 'pc']);
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
  });

  it('does not take what the other says of a third device for its own absence', async () => {
    await using devices = await pairedDevices({
      pc: {
        handlers: {
          whoAmI: async () => {
            throw new DockError('peer-gone', '"kiosk" does not answer');
          },
        },
      },
    });
    const call = devices.mid.peers.call(devices.pc.identity.id, 'whoAmI', {}, { signal: soon() });
    await expect(call).rejects.toMatchObject({ kind: 'peer-refused', message: /"kiosk" does not answer/ });
  });
});

describe('a device that is forgotten', () => {
  it('loses its connection and its calls at once, and cannot come back', async () => {
    const entered = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    await using devices = await pairedDevices({
      pc: {
        handlers: {
          wait: async (_params, { signal }) => {
            entered.resolve();
            await once(signal, 'abort');
            aborted.resolve();
            return '';
          },
        },
      },
    });
    const { mid, pc } = devices;
    const call = mid.peers.call(pc.identity.id, 'wait', {}, { signal: soon() });
    const failed = expect(call).rejects.toMatchObject({ kind: 'peer-gone' });
    await entered.promise;
    await pc.trust.forget('mid');
    await failed;
    await aborted.promise;
    await expect(mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).rejects.toMatchObject({
      kind: 'untrusted',
    });
  });

  it('loses the connection, too, that this device opened to it', async () => {
    const entered = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const wait: TestHandlers['wait'] = async (_params, { signal }) => {
      entered.resolve();
      await once(signal, 'abort');
      aborted.resolve();
      return '';
    };
    await using devices = await pairedDevices({ mid: { handlers: { wait } } });
    const { mid, pc } = devices;
    await mid.peers.connect(pc.identity.id, soon());
    const call = pc.peers.call(mid.identity.id, 'wait', {}, { signal: soon() });
    const failed = expect(call).rejects.toMatchObject({ kind: 'peer-gone' });
    await entered.promise;
    await mid.trust.forget('pc');
    await failed;
    await aborted.promise;
    expect(mid.peers.isConnected(pc.identity.id)).toBe(false);
  });

  it('gets neither a connection nor a channel that was being opened at that moment', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const { id } = pc.identity;
    pc.channels.accept('echo', async () => duplexPair()[0]);
    const opening = [
      () => mid.peers.call(id, 'whoAmI', {}, { signal: soon() }),
      () => mid.channels.open(id, 'echo', soon()),
    ];
    for (const open of opening) {
      await using relay = await harmlessRelay(pc.port, async () => void (await mid.trust.forget('pc')));
      await trust(mid, pc, `127.0.0.1:${relay.port}`);
      await expect(open()).rejects.toMatchObject({ message: /was forgotten meanwhile|is known here/ });
      expect(mid.peers.isConnected(id)).toBe(false);
    }
  });
});

describe('a trusted device that misbehaves', () => {
  const trusted = async (device: TestDevice, identity: Identity): Promise<TLSSocket> => {
    const { certificatePem: cert, privateKeyPem: key } = identity;
    const socket = connectTls({ port: device.port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return socket;
  };

  it('with bytes that are no HTTP loses its connection and harms nobody', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    const socket = await trusted(pc, mid.identity);
    socket.resume();
    socket.write(Buffer.alloc(100_000, 0x41));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
  });

  it('with an upgrade to something unknown is refused', async () => {
    await using devices = await pairedDevices();
    const answer = await answerTo(devices.pc, devices.mid.identity, upgradeRequest('/peer', 'h2c'));
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(await answerTo(devices.pc, devices.mid.identity, upgradeRequest('/x', 'websocket'))).toMatch(
      / 404 /,
    );
  });

  it('with hostile frames on the WebSocket loses its connection and harms nobody', async () => {
    await using devices = await pairedDevices();
    const { mid, pc } = devices;
    for (const frame of [Buffer.alloc(200, 0xff), 'not json', `"${'x'.repeat(2 ** 21)}"`]) {
      const socket = await trusted(pc, mid.identity);
      const webSocket = new WebSocket('ws://x/peer', { createConnection: () => socket });
      webSocket.on('error', () => undefined);
      await once(webSocket, 'open');
      const closed = once(webSocket, 'close', { signal: soon() });
      if (typeof frame === 'string') webSocket.send(frame);
      else socket.write(frame);
      await closed;
    }
    expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
  });
});
