import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from '../network/network-namespace.ts';
import { runCommand } from '../run-command.ts';
import { datagramFates, type PeerRequest, peerPort } from './guest-peer.ts';

const answers = {
  dial: z.object({}),
  flows: z.object({ open: z.int() }),
  network: z.object({
    /** With prefix length. */
    addresses: z.array(z.object({ name: z.string(), mac: z.string(), address: z.string() })),
    nameservers: z.array(z.string()),
  }),
  resolve: z.object({ addresses: z.array(z.string()) }),
  scan: z.object({ open: z.array(z.int()) }),
  'plant-canary': z.object({}),
  'read-canary': z.object({ markers: z.int() }),
  mounts: z.object({ mountPoints: z.array(z.string()) }),
  'stop-agent': z.object({}),
  datagram: z.object({ fate: z.enum(datagramFates) }),
};

type Answered = Extract<PeerRequest, { kind: keyof typeof answers }>;
type Answer<Request extends Answered> = z.infer<(typeof answers)[Request['kind']]>;

const Failure = z.object({ error: z.string() });

/** How long a connection may take to be made, s: TCP's own retries would go on for two minutes. */
const connectLimitS = 20;

/**
 * Asks the lab's peer in the guest, from a host of the lab, over a new TCP connection to one of the guest's addresses.
 * @throws DockError `io` where no connection could be made or the guest says that it failed, `timeout` or `cancelled`
 */
export async function askPeer<const Request extends Answered>(
  from: NetworkNamespace,
  address: string,
  request: Request,
  signal: AbortSignal,
): Promise<Answer<Request>> {
  const target = isIPv6(address) ? `TCP6:[${address}]` : `TCP4:${address}`;
  // Whoever asks closes its side at once; the answer may take its time.
  const argv = ['socat', '-t', '600', '-', `${target}:${peerPort},connect-timeout=${connectLimitS}`];
  const input = `${JSON.stringify(request)}\n`;
  const answer: unknown = JSON.parse(
    (await runCommand(from.enter(argv), { input }, signal)) || '{"error":"closed"}',
  );
  const failure = Failure.safeParse(answer);
  if (failure.success) {
    throw new DockError('io', `the guest could not ${request.kind}: ${failure.data.error}`);
  }
  return answers[request.kind].parse(answer) as Answer<Request>;
}
