import { connect } from 'node:net';

/**
 * A port scan, to be run in the namespace of the device: prints the TCP ports of an address that accept a connection,
 * as a JSON list.
 *
 * usage: scan-ports.ts ADDRESS FROM; two addresses, or a connection could meet itself (RFC 9293, simultaneous open)
 */
const [, , host, localAddress] = process.argv;
if (host === undefined || localAddress === undefined) throw new Error('usage: scan-ports.ts ADDRESS FROM');

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host, localAddress });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

const open: number[] = [];
let next = 1;
const scan = async (): Promise<void> => {
  for (let port = next++; port <= 65535; port = next++) if (await isOpen(port)) open.push(port);
};
await Promise.all(Array.from({ length: 64 }, scan));
console.log(JSON.stringify(open.sort((a, b) => a - b)));
