import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';

/** A network interface of this host (or namespace), as `ip -d -j address` shows it. */
export interface NetworkInterface {
  readonly name: string;
  readonly mac: string | undefined;
  readonly up: boolean;
  /** Something answers at the other end. */
  readonly carrier: boolean;
  readonly loopback: boolean;
  /** The bridge that it is a port of. */
  readonly master: string | undefined;
  /** `bridge`, `veth`, `tun`, `wireguard`, …; absent for hardware. */
  readonly kind: string | undefined;
  /** Persistent taps only. */
  readonly isTap: boolean;
  /** The user, by name or number, who may open this tap; absent where everybody may. */
  readonly tapOwner?: string;
  /** The bridge speaks the spanning tree protocol, so a new port is silent for up to 30 s. */
  readonly spanningTree: boolean;
  /** With prefix length; no link-local ones. */
  readonly addresses: readonly string[];
}

const IpAddressReply = z.array(
  z.object({
    // `ip` prints empty objects for what does not match a filter.
    ifname: z.string().optional(),
    address: z.string().optional(),
    flags: z.array(z.string()).default([]),
    master: z.string().optional(),
    linkinfo: z
      .object({
        info_kind: z.string().optional(),
        info_data: z
          .object({
            type: z.string().optional(),
            persist: z.boolean().optional(),
            user: z.union([z.string(), z.int()]).optional(),
            stp_state: z.int().optional(),
          })
          .optional(),
      })
      .optional(),
    addr_info: z
      .array(
        z.object({
          local: z.string().optional(),
          prefixlen: z.int().optional(),
          scope: z.string().optional(),
        }),
      )
      .default([]),
  }),
);

const limitMs = 5_000;

export async function readInterfaces(signal: AbortSignal): Promise<NetworkInterface[]> {
  const { stdout } = await run(['ip', '-d', '-j', 'address', 'show'], { timeoutMs: limitMs, signal });
  return parseInterfaces(stdout);
}

/** Undefined where there is none of this name. */
export async function findInterface(
  name: string,
  signal: AbortSignal,
): Promise<NetworkInterface | undefined> {
  return (await readInterfaces(signal)).find((each) => each.name === name);
}

/** Throws `protocol` for output of an `ip` that does not speak JSON as this one does. */
export function parseInterfaces(json: string): NetworkInterface[] {
  const parsed = IpAddressReply.safeParse(parseJson(json));
  if (!parsed.success) {
    throw new DockError(
      'protocol',
      `the output of "ip -d -j address" is not understood: ${parsed.error.message}`,
    );
  }
  return parsed.data.flatMap((entry) => {
    if (entry.ifname === undefined) return [];
    const { info_kind: kind, info_data: data } = entry.linkinfo ?? {};
    return {
      name: entry.ifname,
      mac: entry.address,
      up: entry.flags.includes('UP'),
      carrier: entry.flags.includes('UP') && !entry.flags.includes('NO-CARRIER'),
      loopback: entry.flags.includes('LOOPBACK'),
      master: entry.master,
      kind,
      isTap: kind === 'tun' && data?.type === 'tap' && data.persist === true,
      ...(data?.user === undefined ? {} : { tapOwner: String(data.user) }),
      spanningTree: kind === 'bridge' && (data?.stp_state ?? 0) !== 0,
      addresses: entry.addr_info
        .filter((address) => address.scope === 'global' && address.local !== undefined)
        .map((address) => `${address.local}/${address.prefixlen ?? 32}`),
    };
  });
}

function parseJson(json: string): unknown {
  try {
    // Nothing to show is printed as nothing at all.
    return json.trim() === '' ? [] : JSON.parse(json);
  } catch (error) {
    throw new DockError('protocol', '"ip -j" did not print JSON; is its iproute2 older than 4.15?', {
      cause: error,
    });
  }
}
