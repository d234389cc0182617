// `npm run bench:tunnel`: what the tunnel carries between two processes, against a bare TLS connection of the same two,
// and over shaped links against iperf3.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../protocol/dock-error.ts';
import { TunnelDevice } from '../test/contract/tunnel/tunnel-device.ts';
import { TwoWays, type Way, ways } from '../test/contract/tunnel/two-ways.ts';
import { rerunAsLabRoot } from '../test/lab/lab-root.ts';
import { runMain } from '../test/lab/run-main.ts';
import { type Spread, spreadOf } from './spread.ts';

const mebibyte = 1024 ** 2;
const usage = `usage: npm run bench:tunnel -- [--quick] [--profile FOLDER]
  --quick     3 rounds instead of 9, and 256 MiB each instead of 1 GiB
  --profile   only the first part, with a CPU profile of both processes in FOLDER`;

await runMain(async (args, signal) => {
  if (args.includes('--help')) return console.log(usage);
  const quick = args.includes('--quick');
  const profile = args.includes('--profile') ? args[args.indexOf('--profile') + 1] : undefined;
  if (await rerunAsLabRoot(async () => undefined, signal)) return;
  const rounds = quick ? 3 : 9;
  await compareWithBareTls(rounds, (quick ? 256 : 1024) * mebibyte, profile, signal);
  if (profile === undefined) await compareWithIperf(rounds, quick ? 5 : 15, signal);
  console.log(`load of the machine at the end: ${loadavg()[0]?.toFixed(1)}`);
});

/** Over the loopback, alternating: each round is one of each, right after the other. */
async function compareWithBareTls(
  rounds: number,
  bytes: number,
  profile: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const nodeArguments = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const address = '127.0.0.1';
  await using near = await TunnelDevice.start({ name: 'near', address, nodeArguments });
  await using far = await TunnelDevice.start({ name: 'far', address, nodeArguments });
  await near.trust(far, address);
  await far.trust(near, address);
  const port = await far.call<number>('bareListen');
  const bare: number[] = [];
  const tunnel: number[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    const one = await near.call<{ ms: number }>('bareSend', address, port, bytes);
    bare.push(perSecond(bytes, one.ms));
    tunnel.push(perSecond(bytes, await sendFast(near, far, bytes)));
  }
  console.log(`loopback: bare TLS ${show(bare)} MiB/s, tunnel ${show(tunnel)} MiB/s`);
  const ratios = tunnel.map((value, at) => value / (bare[at] ?? Number.NaN));
  console.log(`  tunnel of bare TLS: ${percent(spreadOf(ratios))}`);
  if (profile === undefined) return;
  for (const device of [near, far]) await device.call('stop').catch(() => undefined); // it answers by ending
}

/** Over one link at two rates, and over both: what iperf3 gets on the same one just before. */
async function compareWithIperf(rounds: number, seconds: number, signal: AbortSignal): Promise<void> {
  for (const [used, rates] of [
    [['eth0'], [70]],
    [['eth0'], [100]],
    [ways, [70, 100]],
  ] as const) {
    await using two = await TwoWays.create({ ways: used });
    const ratios: number[] = [];
    for (const [at, way] of used.entries()) await two.shape(way, rates[at] ?? 0);
    await sendFast(two.mid, two.pc, mebibyte);
    for (let round = 0; round < Math.ceil(rounds / 3); round++) {
      signal.throwIfAborted();
      let iperf = 0;
      for (const way of used) iperf += await measureIperf(two, way, seconds);
      const bytes = Math.round((iperf / 8) * 1e6 * seconds);
      const job = await begin(two.mid, two.pc, bytes);
      if (used.length > 1) await two.until(({ links }) => links.length === used.length);
      const { ms } = await two.mid.call<{ ms: number }>('finish', job);
      ratios.push((bytes * 8) / 1e3 / ms / iperf);
    }
    console.log(`${rates.join(' and ')} Mbit/s: tunnel of iperf3: ${percent(spreadOf(ratios))}`);
  }
}

async function begin(from: TunnelDevice, to: TunnelDevice, bytes: number): Promise<string> {
  await from.call('send', 'bench', to.self.id, 'fast/bench', bytes, 'bulk');
  return 'bench';
}

async function sendFast(from: TunnelDevice, to: TunnelDevice, bytes: number): Promise<number> {
  return (await from.call<{ ms: number }>('finish', await begin(from, to, bytes))).ms;
}

/** Mbit/s of payload that arrives. */
async function measureIperf(two: TwoWays, way: Way, seconds: number): Promise<number> {
  const server: ChildProcess = two.inPc('iperf3', '--server', '--one-off');
  try {
    for (let attempt = 0; ; attempt++) {
      await delay(300);
      const report = await two.fromMid(
        'iperf3',
        '--client',
        two.addressOfPc(way),
        '--time',
        String(seconds),
        '--json',
      );
      const { end } = JSON.parse(report) as { end?: { sum_received?: { bits_per_second: number } } };
      if (end?.sum_received !== undefined) return end.sum_received.bits_per_second / 1e6;
      if (attempt === 5) throw new DockError('io', `iperf3 measures nothing: ${report.slice(0, 200)}`);
    }
  } finally {
    if (server.exitCode === null) {
      server.kill();
      await once(server, 'exit');
    }
  }
}

function perSecond(bytes: number, ms: number): number {
  return bytes / mebibyte / (ms / 1000);
}

function show(values: readonly number[]): string {
  const { median, min, max } = spreadOf(values);
  return `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`;
}

function percent({ median, min, max, runs }: Spread): string {
  const of = (value: number) => `${(value * 100).toFixed(0)} %`;
  return `${of(median)} (${of(min)} to ${of(max)}, ${runs} rounds)`;
}
