import { once } from 'node:events';
import { z } from 'zod';
import type { NetworkNamespace } from './network-namespace.ts';

const Result = z.object({ end: z.object({ sum_received: z.object({ bits_per_second: z.number() }) }) });

/** What iperf3 gets through from one host to the address of another one in two seconds, bytes a second. */
export async function measureRate(
  from: NetworkNamespace,
  to: NetworkNamespace,
  address: string,
  signal: AbortSignal,
): Promise<number> {
  const server = to.spawn(['stdbuf', '--output=L', 'iperf3', '--server', '--one-off'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(server, 'close', { signal });
  ended.catch(() => undefined); // awaited below
  await once(server.stdout as NonNullable<typeof server.stdout>, 'data', { signal });
  const text = await from.run(
    ['iperf3', '--client', address, '--time', '2', '--omit', '1', '--json'],
    signal,
  );
  await ended;
  return Result.parse(JSON.parse(text)).end.sum_received.bits_per_second / 8;
}
