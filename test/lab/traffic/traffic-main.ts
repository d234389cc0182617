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
import { Flow, type FlowHeader, readFirstLine } from './flow.ts';
import { type PeerRequest, peerPort } from './guest-peer.ts';
import { TrafficOptions, type TrafficSeen, type TrafficWay } from './traffic-report.ts';

/** Two salts belong to each flow, one for each direction. */
let salts = 1;
const header = (name: string, bitsPerS: number): FlowHeader => {
  salts += 2;
  return { name, salt: salts, bitsPerS };
};

async function ask(guest: string, request: PeerRequest, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: guest, port: peerPort });
  await once(socket, 'connect', { signal });
  socket.write(`${JSON.stringify(request)}\n`);
  return socket;
}

async function openOutward(
  { name, guest }: TrafficWay,
  bitsPerS: number,
  signal: AbortSignal,
): Promise<Flow> {
  const flow = header(`${name} to guest`, bitsPerS);
  return new Flow(await ask(guest, { kind: 'flow', header: flow }, signal), flow, 'connects');
}

async function openInward({ name, guest, own }: TrafficWay, bitsPerS: number, signal: AbortSignal) {
  const server: Server = createServer();
  server.listen(0, own);
  await once(server, 'listening', { signal });
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection', { signal });
  const asked = await ask(
    guest,
    { kind: 'dial', address: own, port, header: header(`${name} from guest`, bitsPerS) },
    signal,
  );
  const told = readFirstLine(asked);
  const refused = told.then(async ({ line }) => {
    if (line !== '{}') throw new Error(`the guest could not connect to ${own}: ${line}`);
    return await accepted;
  });
  const [socket] = (await Promise.race([accepted, refused])) as [Socket];
  const { line, rest } = await readFirstLine(socket);
  if (rest.length > 0) socket.unshift(rest);
  await told;
  asked.destroy();
  server.close();
  return new Flow(socket, JSON.parse(line) as FlowHeader, 'accepts');
}

/** The connection on which the echo was asked for stays open: the guest sends back for as long as it is. */
async function openDatagrams({ name, guest }: TrafficWay, signal: AbortSignal) {
  const asked = await ask(guest, { kind: 'echo', address: guest }, signal);
  asked.on('error', () => undefined);
  const { line } = await readFirstLine(asked);
  asked.resume();
  const Echo = z.object({ port: z.int() });
  return await Datagrams.open(`${name} datagrams`, guest, Echo.parse(JSON.parse(line)).port);
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
