// A DHCP client (RFC 2131) on eth0 of its network namespace. It prints what it was given, as JSON, or null when nobody
// answers:   discover MAC   |   renew MAC ADDRESS SERVER   (asks the server itself)   |   rebind MAC ADDRESS   (asks all)
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const patienceMs = 3_000;
const [action = '', mac = '', address = '0.0.0.0', server = '255.255.255.255'] = process.argv.slice(2);
const types = { discover: 1, offer: 2, request: 3, ack: 5 } as const;
const bytes = (ip: string) => ip.split('.').map(Number);

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.bind(68);
await once(socket, 'listening');
socket.setBroadcast(true);

let given: object | null = null;
if (action === 'discover') {
  const offer = await ask(types.discover, [], '0.0.0.0', '255.255.255.255', types.offer);
  if (offer !== undefined) {
    const named = [50, 4, ...bytes(offer.address), 54, 4, ...bytes(offer.server)];
    given = (await ask(types.request, named, '0.0.0.0', '255.255.255.255', types.ack)) ?? null;
  }
} else {
  given = (await ask(types.request, [], address, server, types.ack)) ?? null;
}
process.stdout.write(JSON.stringify(given));
socket.close();

async function ask(type: number, options: number[], ciaddr: string, to: string, wanted: number) {
  const message = Buffer.alloc(300);
  message.set([1, 1, 6, 0, 1, 2, 3, type], 0);
  // The broadcast flag: nobody here listens to packets of an address that it does not have yet.
  message.set([0x80, 0], 10);
  message.set(bytes(ciaddr), 12);
  message.set(
    mac.split(':').map((part) => Number.parseInt(part, 16)),
    28,
  );
  message.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255], 236);
  const limit = AbortSignal.timeout(patienceMs);
  const again = setInterval(() => socket.send(message, 67, to), patienceMs / 3);
  socket.send(message, 67, to);
  try {
    for (;;) {
      const [reply] = (await once(socket, 'message', { signal: limit })) as [Buffer];
      const read = readOptions(reply);
      if (read.get(53)?.[0] !== wanted) continue;
      const text = (code: number) => [...(read.get(code) ?? [])].join('.');
      const relay = [...reply.subarray(24, 28)].join('.');
      const lease = read.get(51)?.readUInt32BE();
      return {
        address: [...reply.subarray(16, 20)].join('.'),
        server: text(54),
        router: text(3),
        relay,
        lease,
      };
    }
  } catch {
    return undefined;
  } finally {
    clearInterval(again);
  }
}

function readOptions(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 240; at < message.length && message[at] !== 255; at += 2 + (message[at + 1] ?? 0)) {
    found.set(message[at] ?? 0, message.subarray(at + 2, at + 2 + (message[at + 1] ?? 0)));
  }
  return found;
}
