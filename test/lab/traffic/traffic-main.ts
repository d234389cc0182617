// The end of all traffic with the guest, on the host of the lab that it is started on: over each way one TCP connection
// that it opens, one that the guest opens, and a stream of datagrams. Says "ready" when all are there; then, for each
// line "mark" or "report" of its standard input, what it has seen.
//
//   node traffic-main.ts <TrafficOptions as JSON>
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { runMain } from '../run-main.ts';
import { Datagrams } from './datagrams.ts';
import { readFirstLine } from './first-line.ts';
import { Flow, type FlowOptions } from './flow.ts';
import { type PeerRequest, peerPort } from './guest-peer.ts';
import { TrafficOptions, type TrafficSeen, type TrafficWay } from './traffic-report.ts';

let salts = 0;
const flow = (name: string, bitsPerS: number): FlowOptions => ({ name, salt: ++salts, bitsPerS });

/** The connection, which stays open, and what the guest has answered on it. */
async function ask(
  guest: string,
  request: PeerRequest,
  signal: AbortSignal,
): Promise<{ socket: Socket; answer: string }> {
  const socket = connect({ host: guest, port: peerPort });
  await once(socket, 'connect', { signal });
  socket.write(`${JSON.stringify(request)}\n`);
  return { socket, answer: await readFirstLine(socket) };
}

async function openOutward(
  { name, guest }: TrafficWay,
  bitsPerS: number,
  signal: AbortSignal,
): Promise<Flow> {
  const { socket } = await ask(guest, { kind: 'flow' }, signal);
  return new Flow(socket, flow(`${name} to guest`, bitsPerS));
}

async function openInward({ name, guest, own }: TrafficWay, bitsPerS: number, signal: AbortSignal) {
  const server: Server = createServer();
  server.listen(0, own);
  await once(server, 'listening', { signal });
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection', { signal });
  accepted.catch(() => undefined);
  const asked = await ask(guest, { kind: 'dial', address: own, port }, signal);
  if (asked.answer !== '{}') throw new Error(`the guest could not connect to ${own}: ${asked.answer}`);
  const [socket] = (await accepted) as [Socket];
  asked.socket.destroy();
  server.close();
  return new Flow(socket, flow(`${name} from guest`, bitsPerS));
}

/** The connection on which the echo was asked for stays open: the guest sends back for as long as it is. */
async function openDatagrams({ name, guest }: TrafficWay, signal: AbortSignal) {
  const { socket, answer } = await ask(guest, { kind: 'echo', address: guest }, signal);
  socket.on('error', () => undefined).resume();
  const Echo = z.object({ port: z.int() });
  return await Datagrams.open(`${name} datagrams`, guest, Echo.parse(JSON.parse(answer)).port);
}

await runMain(async ([text = ''], signal) => {
  const { ways, bitsPerS } = TrafficOptions.parse(JSON.parse(text));
  const flows: Flow[] = [];
  const datagrams: Datagrams[] = [];
  for (const way of ways) {
    flows.push(await openOutward(way, bitsPerS, signal), await openInward(way, bitsPerS, signal));
    datagrams.push(await openDatagrams(way, signal));
  }
  process.stdout.write('ready\n');
  for await (const line of createInterface(process.stdin)) {
    const seen: TrafficSeen = {
      flows: flows.map((flow) => flow.report()),
      datagrams: datagrams.map((stream) => stream.report()),
    };
    if (line === 'mark') for (const each of [...flows, ...datagrams]) each.mark();
    process.stdout.write(`${JSON.stringify(seen)}\n`);
  }
  // Every connection is closed with the process.
  process.exit();
});
