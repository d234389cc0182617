// Services on every address of the host that it is started on, for a test to see who reaches them: each port takes TCP
// connections, and sends datagrams back. Says "ready" when all do.
//
//   node services-main.ts <port>…
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { runMain } from '../run-main.ts';

await runMain(async (ports, signal) => {
  for (const port of ports.map(Number)) {
    const server = createServer((socket) => socket.on('error', () => undefined).end());
    server.listen(port);
    const datagrams = createSocket('udp6');
    datagrams.on('message', (message, from) => datagrams.send(message, from.port, from.address));
    datagrams.bind(port);
    await Promise.all([server, datagrams].map((each) => once(each, 'listening', { signal })));
  }
  process.stdout.write('ready\n');
  await once(signal, 'abort');
});
