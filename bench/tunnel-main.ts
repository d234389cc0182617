// `npm run bench:tunnel`: what the tunnel carries, against a bare TLS connection of the same two processes.
import { TunnelDevice } from '../test/contract/tunnel/tunnel-device.ts';
import { runMain } from '../test/lab/run-main.ts';
import { spreadOf } from './spread.ts';

const mebibyte = 1024 ** 2;

await runMain(async (args, signal) => {
  const bytes = Number(args[0] ?? 512) * mebibyte;
  const rounds = Number(args[1] ?? 5);
  const nodeArguments =
    process.env['TUNNEL_PROFILE'] === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${process.env['TUNNEL_PROFILE']}`];
  await using near = await TunnelDevice.start({ name: 'near', address: '127.0.0.1', nodeArguments });
  await using far = await TunnelDevice.start({ name: 'far', address: '127.0.0.1', nodeArguments });
  await near.trust(far, '127.0.0.1');
  await far.trust(near, '127.0.0.1');
  const port = await far.call<number>('bareListen');
  const bare: number[] = [];
  const tunnel: number[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    const one = await near.call<{ ms: number }>('bareSend', '127.0.0.1', port, bytes);
    await near.call('send', 'job', far.self.id, 'fast/x', bytes, 'bulk');
    const other = await near.call<{ ms: number }>('finish', 'job');
    bare.push(bytes / mebibyte / (one.ms / 1000));
    tunnel.push(bytes / mebibyte / (other.ms / 1000));
    console.log(`bare ${bare.at(-1)?.toFixed(0)} MiB/s, tunnel ${tunnel.at(-1)?.toFixed(0)} MiB/s`);
  }
  const ratio = spreadOf(tunnel.map((value, at) => value / (bare[at] ?? 1)));
  console.log(`ratio: ${JSON.stringify(ratio)}`);
  if (nodeArguments.length > 0) {
    await near.call('stop').catch(() => undefined);
    await far.call('stop').catch(() => undefined);
  }
});
