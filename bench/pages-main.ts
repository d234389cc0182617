// `npm run bench:pages`: what the page exchange carries between two processes, over the tunnel of both, against a bare TLS
// connection of two processes in the same run.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pageBytes } from '../host-plugins/pages/page-list.ts';
import { DockError } from '../protocol/dock-error.ts';
import { TunnelDevice } from '../test/contract/tunnel/tunnel-device.ts';
import { runMain } from '../test/lab/run-main.ts';
import { StreamBuilder } from '../test/unit/pages/built-stream.ts';
import { BareTls } from './pages/bare-tls.ts';
import { writeGuestPage } from './pages/guest-pages.ts';
import { spreadOf } from './spread.ts';

const mebibyte = 1024 ** 2;
const address = '127.0.0.1';
const usage = `usage: npm run bench:pages -- [--quick] [--profile FOLDER]
  --quick     3 rounds instead of 9, of 128 MiB each instead of 512 MiB
  --profile   one round of each, with a CPU profile of both ends in FOLDER`;

/** What is sent: each page for the first time, or each by the name of one that the other end has kept. */
const kinds = ['new', 'kept'] as const;
type Kind = (typeof kinds)[number];

interface Figures {
  readonly bytesPerS: number;
  /** Of both ends together. */
  readonly cpuMs: number;
}

await runMain(async (args, signal) => {
  if (args.includes('--help')) return console.log(usage);
  const quick = args.includes('--quick');
  const profile = args.includes('--profile') ? args[args.indexOf('--profile') + 1] : undefined;
  const rounds = profile !== undefined ? 1 : quick ? 3 : 9;
  const pages = ((quick ? 128 : 512) * mebibyte) / pageBytes;
  await using bare = await BareTls.start();
  const baseline: number[] = [];
  const figures: Record<Kind, Figures[]> = { new: [], kept: [] };
  const stream = streamOf(pages);
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    baseline.push(await bare.bytesPerS(pages * pageBytes));
    for (const kind of kinds) figures[kind].push(await measure(kind, stream, pages, profile));
  }
  console.log(`bare TLS: ${show(baseline.map((rate) => rate / mebibyte))} MiB/s`);
  for (const kind of kinds) {
    const rates = figures[kind].map(({ bytesPerS }) => bytesPerS / mebibyte);
    const ratios = figures[kind].map(({ bytesPerS }, at) => (bytesPerS / (baseline[at] ?? Number.NaN)) * 100);
    const cpu = figures[kind].map(({ cpuMs }) => (cpuMs * 1000) / pages);
    console.log(`every page ${kind}: ${show(rates)} MiB/s of memory, ${show(ratios)} % of bare TLS`);
    console.log(`  processor time of both ends together: ${show(cpu)} us a page`);
  }
  console.log(`load of the machine at the end: ${loadavg()[0]?.toFixed(1)}`);
});

/** As QEMU's first pass: page after page, and the end of it. */
function streamOf(pages: number): Buffer {
  const contents = Buffer.alloc(pages * pageBytes);
  const built = Array.from({ length: pages }, (_, number) => {
    writeGuestPage(contents, number * pageBytes, number);
    return {
      block: 'base',
      page: number,
      content: contents.subarray(number * pageBytes, (number + 1) * pageBytes),
    };
  });
  return new StreamBuilder().section(built).section([], true).build();
}

/** One stream between two devices of its own; this process is QEMU at both ends. */
async function measure(
  kind: Kind,
  stream: Buffer,
  pages: number,
  profile: string | undefined,
): Promise<Figures> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'wdb-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const nodeArguments = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}/${kind}`];
  const program = new URL('./pages/pages-device.ts', import.meta.url);
  const start = async (name: string) =>
    stack.use(await TunnelDevice.start({ name, address, nodeArguments, program }));
  const [near, far] = [await start('near'), await start('far')];
  await near.trust(far, address);
  await far.trust(near, address);
  const target = join(folder, 'target.sock');
  const arrived = Promise.withResolvers<number>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', ({ length }: Buffer) => {
      bytes += length;
    });
    socket.once('end', () => {
      arrived.resolve(bytes);
      socket.end();
    });
    socket.on('error', arrived.reject);
  });
  server.listen(target);
  await once(server, 'listening');
  stack.defer(() => void server.close());
  const kept = kind === 'kept' ? pages : 0;
  await far.call('arrive', target, kept);
  const source = await near.call<string>('depart', far.self.id, kept);
  const before = await cpuOf(near, far);
  const began = performance.now();
  const socket = connect({ path: source, allowHalfOpen: true });
  socket.resume();
  socket.end(stream);
  const bytes = await arrived.promise;
  const ms = performance.now() - began;
  if (bytes !== stream.length) {
    throw new DockError('io', `${bytes} of ${stream.length} bytes arrived`);
  }
  const cpuMs = (await cpuOf(near, far)) - before;
  await near.call('over');
  await far.call('over');
  if (profile !== undefined)
    for (const device of [near, far]) await device.call('stop').catch(() => undefined); // it answers by ending
  return { bytesPerS: (pages * pageBytes) / (ms / 1000), cpuMs };
}

async function cpuOf(...devices: readonly TunnelDevice[]): Promise<number> {
  let sum = 0;
  for (const device of devices) sum += await device.call<number>('cpuMs');
  return sum;
}

function show(values: readonly number[]): string {
  const { median, min, max } = spreadOf(values);
  return `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`;
}
