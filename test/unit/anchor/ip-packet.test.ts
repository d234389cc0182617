import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  frameOfPacket,
  isUnicast,
  packetAddresses,
  packetOfFrame,
} from '../../../host-plugins/anchor/ip-packet.ts';
import { answerNeighbour, readNeighbourQuestion } from '../../../host-plugins/anchor/neighbour.ts';
import { addressKey } from '../../../host-plugins/system/network/ip-address.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { ipPacket } from './packets.ts';

const guestMac = Uint8Array.from([0x52, 0x54, 0, 0xaa, 0xbb, 1]);
const hostMac = Uint8Array.from([0xfe, 0x54, 0, 0xaa, 0xbb, 1]);
const key = (address: string): string => addressKey(address) ?? '';

describe('an IP packet', () => {
  it('is refused when it is cut, too long, or of another protocol', () => {
    const whole = ipPacket('10.77.0.50', '10.77.0.100');
    for (const bytes of [
      whole.subarray(1),
      whole.subarray(0, -1),
      Uint8Array.from([...whole, 0]),
      new Uint8Array(0),
    ]) {
      expect(() => packetAddresses(bytes)).toThrow(DockError);
    }
    const short = ipPacket('10.77.0.50', '10.77.0.100');
    short.set([0, 4], 2); // says that it is shorter than its own header
    expect(() => packetAddresses(short)).toThrow(/not one whole IP packet/);
  });

  it('never makes anything but a refusal of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        packetOfFrame(bytes);
        readNeighbourQuestion(bytes);
        try {
          packetAddresses(bytes);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'protocol' });
        }
      }),
    );
  });

  it.each([
    ['10.77.0.50', '10.77.0.100'],
    ['fd00:77::50', 'fd00:77::100'],
  ])('comes out of its frame as it went in, without padding: %s', (source, destination) => {
    const packet = ipPacket(source, destination);
    const frame = frameOfPacket(packet, guestMac, hostMac);
    const padded = Uint8Array.from([...frame, ...new Uint8Array(20)]);
    expect(packetOfFrame(padded)).toEqual(packet);
    expect(packetAddresses(packet)).toEqual({ source: key(source), destination: key(destination) });
  });

  it.each([
    ['224.0.0.251', false],
    ['255.255.255.255', false],
    ['127.0.0.1', false],
    ['0.0.0.0', false],
    ['10.77.0.100', true],
    ['ff02::1', false],
    ['fe80::1', false],
    ['::1', false],
    ['::', false],
    ['fd00:77::1', true],
  ])('may go to one host only: %s, %j', (destination, may) => {
    expect(isUnicast(key(destination))).toBe(may);
  });
});

describe('a question for a neighbour', () => {
  const arp = Uint8Array.from([
    ...[...Array.from({ length: 6 }, () => 255), ...guestMac, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ...[...guestMac, 10, 77, 0, 50, 0, 0, 0, 0, 0, 0, 10, 78, 0, 1],
  ]);

  it('is none when it is cut', () => {
    expect(readNeighbourQuestion(arp.subarray(0, 41))).toBeUndefined();
  });

  it('is answered by ARP to whoever asked', () => {
    const question = readNeighbourQuestion(arp);
    expect(question).toMatchObject({ asker: key('10.77.0.50'), target: key('10.78.0.1') });
    if (question === undefined) throw new Error('not read');
    const answer = answerNeighbour(question, hostMac);
    expect([...answer.subarray(0, 12)]).toEqual([...guestMac, ...hostMac]);
    expect([...answer.subarray(20, 42)]).toEqual([
      0,
      2,
      ...hostMac,
      10,
      78,
      0,
      1,
      ...guestMac,
      10,
      77,
      0,
      50,
    ]);
  });

  it('is answered by a neighbour advertisement whose checksum is right', () => {
    const solicitation = Uint8Array.from([
      135,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...ipPacket('fd00:78::1', '::').subarray(8, 24),
    ]);
    const packet = ipPacket('fd00:77::50', 'ff02::1:ff00:1', solicitation);
    packet[6] = 58;
    const question = readNeighbourQuestion(frameOfPacket(packet, hostMac, guestMac));
    if (question === undefined) throw new Error('not read');
    expect(question).toMatchObject({ asker: key('fd00:77::50'), target: key('fd00:78::1') });
    const frame = answerNeighbour(question, hostMac);
    const answer = packetOfFrame(frame) ?? new Uint8Array(0);
    expect(packetAddresses(answer)).toEqual({ source: key('fd00:78::1'), destination: key('fd00:77::50') });
    // Over a message with its checksum the sum of all 16-bit words is all ones (RFC 1071).
    const words = [...answer.subarray(8, 40), 0, 0, 0, 32, 0, 0, 0, 58, ...answer.subarray(40)];
    let sum = 0;
    for (let at = 0; at < words.length; at += 2) sum += ((words[at] ?? 0) << 8) | (words[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(sum).toBe(0xffff);
  });
});
