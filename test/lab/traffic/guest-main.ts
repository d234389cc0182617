// The lab's peer in the guest: the guest's end of flows, and what a test asks of the guest's own network.
// Bundled for the guest's Node by test/lab/image/bundle-guest-programs.ts; started by systemd, which passes its socket.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Flow, type FlowHeader, readFirstLine } from './flow.ts';
import { plantCanary, readCanary } from './guest-canary.ts';
import type { PeerRequest } from './guest-peer.ts';
import { scanPorts, sendDatagram } from './port-scan.ts';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const passedSocket = 3;

const flows: Flow[] = [];

/**
 * Each piece that arrives has memory of its own, which is given back only when the collector has run; by itself it would
 * let a hundred MiB come together first, and all of that would have to be moved.
 */
setInterval(() => void globalThis.gc?.({ type: 'minor' }), 1_000);

async function dial(address: string, port: number, header: FlowHeader): Promise<void> {
  const socket = connect({ host: address, port });
  await once(socket, 'connect');
  socket.write(`${JSON.stringify(header)}\n`);
  flows.push(new Flow(socket, header, 'connects'));
}

/** Bound to one address, so that answers come from where the question went, however many addresses the guest has. */
async function echo(address: string, until: Socket): Promise<number> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('message', (message, { address: from, port }) =>
    socket.send(message, port, from, () => undefined),
  );
  socket.on('error', () => undefined);
  socket.bind(0, address);
  await once(socket, 'listening');
  until.once('end', () => until.end()).once('close', () => socket.close());
  return socket.address().port;
}

function readNetwork() {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
    (all ?? []).filter(({ internal }) => !internal).map(({ cidr, mac }) => ({ name, mac, address: cidr })),
  );
  const resolvers = readFileSync('/etc/resolv.conf', 'utf8');
  const nameservers = [...resolvers.matchAll(/^nameserver (\S+)/gm)].map(([, address]) => address);
  return { addresses, nameservers };
}

function readMountPoints(): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.flatMap((line) => line.split(' ')[1] ?? []);
}

async function resolve(name: string): Promise<string[]> {
  // A new one each time: it asks the servers that it finds in /etc/resolv.conf when it is made.
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
}

async function answer(request: Exclude<PeerRequest, { kind: 'flow' }>, socket: Socket): Promise<unknown> {
  switch (request.kind) {
    case 'dial':
      await dial(request.address, request.port, request.header);
      return {};
    case 'echo':
      return { port: await echo(request.address, socket) };
    case 'flows':
      return { flows: flows.map((flow) => flow.report()) };
    case 'network':
      return readNetwork();
    case 'resolve':
      return { addresses: await resolve(request.name) };
    case 'scan':
      return { open: await scanPorts(request.address, request.ports, request.timeoutMs) };
    case 'plant-canary':
      return await plantCanary(request);
    case 'read-canary':
      return { markers: await readCanary(request.file) };
    case 'mounts':
      return { mountPoints: readMountPoints() };
    case 'stop-agent':
      execFileSync('systemctl', ['stop', 'wireless-dock-agent.service']);
      return {};
    case 'datagram':
      return { fate: await sendDatagram(request.address, request.port, request.timeoutMs) };
  }
}

async function serve(socket: Socket): Promise<void> {
  const { line, rest } = await readFirstLine(socket);
  const request = JSON.parse(line) as PeerRequest;
  if (request.kind === 'flow') {
    if (rest.length > 0) socket.unshift(rest);
    flows.push(new Flow(socket, request.header, 'accepts'));
    // Closed where the other end closes: half of a flow is none.
    socket.once('end', () => socket.end());
    return;
  }
  socket.resume();
  const reply = await answer(request, socket).catch((error: unknown) => ({ error: String(error) }));
  socket.write(`${JSON.stringify(reply)}\n`);
  if (request.kind !== 'echo') socket.end();
}

// Half open: whoever asks may close its side when it has asked.
createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  void serve(socket).catch(() => socket.destroy());
}).listen({ fd: passedSocket });
