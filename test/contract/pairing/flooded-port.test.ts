import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { offered, soon } from './pairing-fixture.ts';
import { pairedDevices, type TestDevice, testDevice } from './two-devices.ts';

vi.setConfig({ testTimeout: 60_000 }); // a flood lasts until the device's patience with a handshake is over

/** As many as one address may have before it has proved who it is. */
const allowed = 32;

/** The beginning of a TLS 1.3 ClientHello of 512 bytes, whose rest never comes. */
const halfClientHello = Buffer.from('1603010200010001fc0303', 'hex');

/** Takes all the places that one address has; `then` is what each connection does. Returns when the device has closed all. */
async function flood(device: TestDevice, then: (socket: Socket) => void): Promise<void> {
  const one = async () => {
    const socket = connect({ port: device.port, host: '127.0.0.1', allowHalfOpen: true }).resume();
    await once(socket, 'connect');
    const ended = Promise.withResolvers<void>();
    socket.once('end', ended.resolve).once('error', () => ended.resolve());
    then(socket);
    await ended.promise;
    socket.destroy();
  };
  await Promise.all(Array.from({ length: allowed }, one));
}

function dribble(socket: Socket): void {
  const bytes = halfClientHello[Symbol.iterator]();
  const timer = setInterval(() => socket.write(Buffer.from([bytes.next().value ?? 0])), 1_000);
  socket.once('close', () => clearInterval(timer));
}

const floods: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['say nothing and stay', () => undefined],
  ['say nothing and leave', (socket) => socket.end()],
  ['begin a handshake and stay', (socket) => socket.write(halfClientHello)],
  ['begin a handshake and leave', (socket) => socket.end(halfClientHello)],
  ['say a byte now and then', dribble],
];

describe.concurrent('a port that is flooded with connections that never end their handshake', () => {
  it.each(floods)(
    'closes those that %s, and then lets in a trusted device of their address',
    async (...args) => {
      const [, then] = args;
      await using devices = await pairedDevices();
      const { mid, pc } = devices;
      await flood(pc, then);
      expect(await mid.peers.call(pc.identity.id, 'whoAmI', {}, { signal: soon() })).toBe('mid');
    },
  );

  it('pairs with a stranger of their address when they are gone', async () => {
    await using pc = await testDevice('pc');
    await using mid = await testDevice('mid');
    const { code, outcome, address } = await offered(pc);
    await flood(pc, (socket) => socket.end(halfClientHello));
    await mid.desk.join({ name: 'pc', address, code }, soon());
    expect((await outcome).name).toBe('mid');
  });
});
