import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { DatagramFate } from './guest-peer.ts';

const atOnce = 200;

/** Those of the TCP ports that take a connection, lowest first. */
export async function scanPorts(
  address: string,
  ports: readonly number[],
  timeoutMs: number,
): Promise<number[]> {
  const open: number[] = [];
  let next = 0;
  const scan = async () => {
    for (let port = ports[next++]; port !== undefined; port = ports[next++]) {
      if (await takesConnection(address, port, timeoutMs)) open.push(port);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, scan));
  return open.sort((left, right) => left - right);
}

function takesConnection(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => settle(false), timeoutMs);
    const settle = (open: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => settle(true)).on('error', () => settle(false));
  });
}

/** What becomes of a datagram to a UDP port. */
export function sendDatagram(address: string, port: number, timeoutMs: number): Promise<DatagramFate> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let settled = false;
    const settle = (fate: DatagramFate) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.close();
      resolve(fate);
    };
    const timer = setTimeout(() => settle('silent'), timeoutMs);
    // More than one can come: of the connecting, of the sending, and of what ICMP says later.
    socket.on('message', () => settle('answered')).on('error', () => settle('refused'));
    // Connected, or nobody would say that it was refused. As a listener: a callback is also called when there is no route.
    socket.once('connect', () => {
      if (!settled) socket.send('anybody there?');
    });
    socket.connect(port, address);
  });
}
