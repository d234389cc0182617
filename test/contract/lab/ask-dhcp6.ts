// Asks the DHCPv6 servers behind a device for an address, and prints the one that is offered first (RFC 8415: solicit,
// advertise). Who asks is known by the device's hardware address.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const device = process.argv[2] ?? '';
const signal = AbortSignal.timeout(10_000);

const solicit = 1;
const clientId = 1;
const serverId = 2;
const addressRequest = 3;
const address = 5;

const option = (code: number, content: readonly number[]): number[] => [
  ...[code >> 8, code & 0xff, content.length >> 8, content.length & 0xff],
  ...content,
];

/** The content of the first option of this code; undefined where there is none. */
function findOption(options: Buffer, code: number): Buffer | undefined {
  for (let at = 0; at + 4 <= options.length; ) {
    const length = options.readUInt16BE(at + 2);
    if (options.readUInt16BE(at) === code) return options.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}

const transaction = randomBytes(3);
const question = Buffer.from([
  solicit,
  ...transaction,
  ...option(clientId, [0, 4, ...randomBytes(16)]), // a UUID, made for this once
  ...option(addressRequest, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
]);

const socket = createSocket({ type: 'udp6', reuseAddr: true });
socket.bind(546);
await once(socket, 'listening', { signal });
socket.send(question, 547, `ff02::1:2%${device}`);
const [answer] = (await once(socket, 'message', { signal })) as [Buffer];
const offered = findOption(answer.subarray(4), addressRequest)?.subarray(12);
const bytes = offered && findOption(offered, address)?.subarray(0, 16);
if (bytes === undefined || findOption(answer.subarray(4), serverId) === undefined) {
  throw new Error(`no address in ${answer.toString('hex')}`);
}
const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
process.stdout.write(`${new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)}\n`);
socket.close();
