// The lab's peer in the guest: the guest's end of all traffic, and what a test asks of the guest's own network.
// Bundled for the guest's Node by test/lab/image/bundle-guest-programs.ts; started by systemd, which passes its socket.
import { execFileSync, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { readFirstLine } from './first-line.ts';
import { plantCanary, readCanary } from './guest-canary.ts';
import type { PeerRequest } from './guest-peer.ts';
import { scanPorts, sendDatagram } from './port-scan.ts';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const passedSocket = 3;

/** Connections whose traffic is sent back. */
let flows = 0;

/**
 * What comes on this connection is sent back from now on, by a program so small that an emulated processor, which has to
 * translate all that runs on a host it has come to, has it going again in a few milliseconds: Node takes a third of a second.
 */
function sendBack(socket: Socket, answer: string): void {
  const script = `printf '%s' "$1"; exec cat`;
  const child = spawn('sh', ['-c', script, 'sh', answer], { stdio: [socket, socket, 'ignore'] });
  flows++;
  child.once('exit', () => {
    flows--;
  });
  // The program has the connection itself; here nothing more is read from it.
  socket.destroy();
}

async function dial(address: string, port: number): Promise<void> {
  const socket = connect({ host: address, port });
  await once(socket, 'connect');
  sendBack(socket, '');
}

/** As small a program for datagrams, each of which stays one: says its port, and sends back what comes there. */
const echoProgram = `use IO::Socket::IP;
my $socket = IO::Socket::IP->new(Proto => "udp", LocalHost => shift, LocalPort => 0) or die $@;
$| = 1;
print $socket->sockport, "\\n";
while (1) {
  my $from = recv($socket, my $message, 65535, 0);
  send($socket, $message, 0, $from) if $from;
}`;

/** Bound to one address, so that answers come from where the question went, however many addresses the guest has. */
async function echo(address: string, until: Socket): Promise<number> {
  const child = spawn('perl', ['-e', echoProgram, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  until.once('end', () => until.end()).once('close', () => child.kill('SIGKILL'));
  const said = once(createInterface(child.stdout), 'line');
  const ended = once(child, 'exit').then(() => {
    throw new Error(`nothing listens for datagrams at ${address}`);
  });
  ended.catch(() => undefined);
  const [port] = (await Promise.race([said, ended])) as [string];
  return Number(port);
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
      await dial(request.address, request.port);
      return {};
    case 'echo':
      return { port: await echo(request.address, socket) };
    case 'flows':
      return { open: flows };
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
  const request = JSON.parse(await readFirstLine(socket)) as PeerRequest;
  if (request.kind === 'flow') return sendBack(socket, '{}\n');
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
