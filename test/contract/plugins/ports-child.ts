// Listens, scans or calls to all, in the network namespace that it is started in:
//   listen   on every port and group of ports.ts, on all addresses, and answers; tells each datagram that it hears
//   scan     every port of the addresses given; prints those that answered, as JSON
//   shout    the text given, to every group and broadcast address of ports.ts, out of eth0
import { createSocket, type Socket, type SocketType } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { broadcasts, groups, multicastPorts, tcpPorts, udpPorts } from './ports.ts';

/** For one try; everything here is on one machine. */
const patienceMs = 1_500;

const [action, ...rest] = process.argv.slice(2);
if (action === 'listen') await listen();
else if (action === 'scan') await scan(rest);
else await shout(rest[0] ?? '');

async function listen(): Promise<void> {
  for (const host of ['0.0.0.0', '::']) {
    for (const port of tcpPorts) {
      const server = createServer((socket) => socket.on('error', () => {}).end());
      server.listen({ host, port, ipv6Only: host === '::' });
      // A name server of another process may have the port on one address.
      await once(server, 'listening').catch(() => {});
    }
    for (const port of udpPorts) {
      const socket = udp(host === '::' ? 'udp6' : 'udp4');
      socket.on('message', (text, { address, port: to }) => {
        socket.send('here', to, address);
        process.stdout.write(`${text}\n`);
      });
      socket.bind(port, host);
      await once(socket, 'listening');
      joinGroups(socket, host === '::');
    }
  }
  process.stdout.write('ready\n');
}

function joinGroups(socket: Socket, ipv6: boolean): void {
  for (const [name, entries = []] of Object.entries(networkInterfaces())) {
    const own = entries.find(({ family, internal }) => family === (ipv6 ? 'IPv6' : 'IPv4') && !internal);
    if (own === undefined) continue;
    for (const group of groups.filter((each) => each.includes(':') === ipv6)) {
      socket.addMembership(group, ipv6 ? `::%${name}` : own.address);
    }
  }
}

async function scan(addresses: readonly string[]): Promise<void> {
  const tries = addresses.flatMap((address) => [
    ...tcpPorts.map(async (port) => ((await tcpAnswers(address, port)) ? [`tcp/${port} at ${address}`] : [])),
    ...udpPorts.map(async (port) => ((await udpAnswers(address, port)) ? [`udp/${port} at ${address}`] : [])),
  ]);
  process.stdout.write(JSON.stringify((await Promise.all(tries)).flat().sort()));
}

function tcpAnswers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: patienceMs }, () => settle(true));
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.on('timeout', () => settle(false)).on('error', () => settle(false));
  });
}

function udpAnswers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = udp(host.includes(':') ? 'udp6' : 'udp4');
    const settle = (answered: boolean) => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(answered);
    };
    const timer = setTimeout(() => settle(false), patienceMs);
    socket.once('message', (text) => settle(String(text) === 'here'));
    // One of many datagrams at once may be lost before the neighbour is known.
    const ask = () => socket.send('anybody', port, host);
    const again = setInterval(ask, patienceMs / 4);
    ask();
  });
}

async function shout(text: string): Promise<void> {
  for (const address of [...groups, ...broadcasts]) {
    const ipv6 = address.includes(':');
    const socket = udp(ipv6 ? 'udp6' : 'udp4');
    socket.bind(0);
    await once(socket, 'listening');
    const own = networkInterfaces()['eth0']?.find(({ family }) => family === 'IPv4')?.address ?? '';
    socket.setBroadcast(true);
    socket.setMulticastInterface(ipv6 ? '::%eth0' : own);
    for (const port of multicastPorts) {
      await new Promise((resolve) => socket.send(text, port, ipv6 ? `${address}%eth0` : address, resolve));
    }
    socket.close();
  }
}

function udp(type: SocketType): Socket {
  // An address without a way, and an answer that says so, are no answer.
  return createSocket({ type, reuseAddr: true, ipv6Only: type === 'udp6' }).on('error', () => {});
}
