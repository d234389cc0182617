// Asks the DHCP server of the network namespace it runs in for an address, for a card given by its MAC, takes it, and
// prints it (RFC 2131: discover, offer, request, acknowledgement).
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const mac = Buffer.from((process.argv[2] ?? '').replaceAll(':', ''), 'hex');
const transaction = randomBytes(4);
const signal = AbortSignal.timeout(10_000);

const discover = 1;
const request = 3;

/** @param more options after the message type */
function message(type: number, more: readonly number[] = []): Buffer {
  const packet = Buffer.alloc(240);
  packet.set([1, 1, 6, 0]); // a request, by Ethernet, of 6 bytes an address
  packet.set(transaction, 4);
  packet.writeUInt16BE(0x8000, 10); // answer by broadcast: we have no address yet
  packet.set(mac, 28);
  packet.writeUInt32BE(0x63825363, 236);
  return Buffer.concat([packet, Buffer.from([53, 1, type, ...more, 255])]);
}

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.bind(68);
await once(socket, 'listening', { signal });
socket.setBroadcast(true);

async function ask(question: Buffer): Promise<Buffer> {
  const answered = once(socket, 'message', { signal });
  socket.send(question, 67, '255.255.255.255');
  const [answer] = (await answered) as [Buffer];
  if (!answer.subarray(4, 8).equals(transaction)) throw new Error('an answer to somebody else');
  return answer;
}

const offer = await ask(message(discover));
const address = offer.subarray(16, 20);
const server = offer.subarray(20, 24);
const taken = await ask(message(request, [50, 4, ...address, 54, 4, ...server]));
process.stdout.write(`${taken.subarray(16, 20).join('.')}\n`);
socket.close();
