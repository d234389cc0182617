import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { PacketChannel } from '../../../host-plugins/anchor/packet-channel.ts';
import { ipPacket } from './packets.ts';

const old = '10.77.0.50';
const client = '10.77.0.100';

/** One end, and the bare stream at its other side. */
function oneEnd(now: () => number = () => 0) {
  const [inside, outside] = duplexPair();
  const packets: Uint8Array[] = [];
  const channel = new PacketChannel(inside, {
    maySend: () => true,
    mayReceive: (source) => source === '0a4d0032',
    onPacket: (packet) => packets.push(Uint8Array.from(packet)),
    onOver: () => packets.push(Uint8Array.from([1])),
    now,
  });
  outside.on('error', () => undefined);
  return { channel, outside, packets };
}

const message = (bytes: Uint8Array): Buffer =>
  Buffer.from([bytes.length >> 8, bytes.length & 0xff, ...bytes]);

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

async function read(stream: Duplex): Promise<Buffer> {
  const [chunk] = (await once(stream, 'data')) as [Buffer];
  return chunk;
}

describe('what comes over the channel', () => {
  it.each([
    ['a message without bytes', Buffer.from([0, 0])],
    ['a message that is too long', Buffer.from([0xff, 0xff])],
    ['a message of an unknown kind', message(Uint8Array.from([0x99, 1, 2]))],
    ['an acknowledgement of bytes that were not sent', Buffer.from([0, 5, 0, 0, 0, 0, 9])],
    ['a packet that is cut', message(ipPacket(old, client).subarray(0, 25))],
    ['a packet of somebody else', message(ipPacket('10.77.0.51', client))],
  ])('ends it with a reason: %s', async (_what, bytes) => {
    const { channel, outside, packets } = oneEnd();
    outside.write(bytes);
    await expect(channel.closed).resolves.toMatchObject({ kind: 'protocol' });
    expect(packets).toEqual([]);
  });

  it('ends it with a reason when the stream ends within a message', async () => {
    const { channel, outside } = oneEnd();
    outside.resume();
    outside.end(message(ipPacket(old, client)).subarray(0, 12));
    await expect(channel.closed).resolves.toMatchObject({ kind: 'protocol', message: /ended after/ });
  });

  it('is handed on packet by packet, however it was cut', async () => {
    const { channel, outside, packets } = oneEnd();
    const sent = [ipPacket(old, client), ipPacket(old, client, new Uint8Array(1200)), ipPacket(old, client)];
    for (const byte of Buffer.concat(sent.map(message))) outside.write(Buffer.from([byte]));
    outside.write(Buffer.from([0, 1, 1]));
    while (packets.length < 4) await turn();
    expect(packets).toEqual([...sent, Uint8Array.from([1])]);
    channel.close();
  });

  it('is acknowledged', async () => {
    const { channel, outside } = oneEnd();
    const packet = message(ipPacket(old, client));
    outside.write(packet);
    expect([...(await read(outside))]).toEqual([0, 5, 0, 0, 0, 0, packet.length]);
    channel.close();
  });
});

describe('a slow way', () => {
  it('drops what would queue for longer than it may, and goes on when it is acknowledged', async () => {
    let now = 0;
    const { channel, outside } = oneEnd(() => now);
    const packet = ipPacket(old, client, new Uint8Array(1400));
    const acknowledge = (bytes: number): Promise<void> => {
      outside.write(Buffer.from([0, 5, 0, 0, 0, bytes >> 8, bytes & 0xff]));
      return turn().then(turn);
    };
    channel.send(packet);
    now = 10;
    await acknowledge(message(packet).length); // a quick way: 10 ms
    for (let count = 0; count < 12; count++) channel.send(packet);
    expect(channel.droppedPackets).toBe(0);
    now = 300;
    channel.send(packet);
    expect(channel.droppedPackets).toBe(1);
    await acknowledge(13 * message(packet).length);
    channel.send(packet);
    expect(channel.droppedPackets).toBe(1);
    channel.close();
    await expect(channel.closed).resolves.toBeUndefined();
  });
});
