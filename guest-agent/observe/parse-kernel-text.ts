import { formatIPv6 } from '../decide/ip-address.ts';
import { isWayOut } from '../decide/way-out.ts';

/** `0-2,5` of the kernel's list files as numbers; empty for an empty list. Throws for anything else. */
export function parseCpuList(text: string): number[] {
  const numbers: number[] = [];
  for (const range of text.trim().split(',')) {
    if (range === '') continue;
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined) throw new SyntaxError(`"${text.trim()}" is not a list of processors`);
    for (let cpu = Number(first); cpu <= Number(last ?? first); cpu++) numbers.push(cpu);
  }
  return numbers;
}

/** A `Name:   1234 kB` line of /proc/meminfo or /proc/PID/status in MiB; undefined where the line is missing. */
export function findKiBAsMiB(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return found?.[1] === undefined ? undefined : Math.round((Number(found[1]) / 1024) * 10) / 10;
}

/** A `name 1234` line of a memory.stat, whose numbers are bytes, in MiB; undefined where the line is missing. */
export function findBytesAsMiB(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(text);
  return found?.[1] === undefined ? undefined : Number(found[1]) / (1024 * 1024);
}

/** Whether /proc/swaps lists any: below its heading. */
export function hasSwap(text: string): boolean {
  return text.trim().split('\n').length > 1;
}

/** `some avg10` of a file in /proc/pressure, per cent. */
export function findPressureSomeAvg10(text: string): number | undefined {
  const found = /^some avg10=(\d+(?:\.\d+)?)/m.exec(text);
  return found?.[1] === undefined ? undefined : Number(found[1]);
}

/** Interface and address of the IPv4 default route with the lowest metric in /proc/net/route; a way out is none. */
export function findDefaultRoute(text: string): { interface: string; gateway: string } | undefined {
  let best: { interface: string; gateway: string; metric: number } | undefined;
  for (const line of text.split('\n').slice(1)) {
    const [name, destination, gateway, flags, , , metric, mask] = line.trim().split(/\s+/);
    if (name === undefined || destination !== '00000000' || mask !== '00000000' || gateway === undefined)
      continue;
    // RTF_GATEWAY (2): a default route without one leads to a point-to-point link.
    if ((Number.parseInt(flags ?? '0', 16) & 2) === 0) continue;
    if (best !== undefined && best.metric <= Number(metric)) continue;
    const address = hostOrderIPv4(gateway);
    if (!isWayOut(address)) best = { interface: name, gateway: address, metric: Number(metric) };
  }
  return best === undefined ? undefined : { interface: best.interface, gateway: best.gateway };
}

/** The same of /proc/net/ipv6_route, for IPv6; numbers there are hexadecimal. */
export function findDefaultRoute6(text: string): { interface: string; gateway: string } | undefined {
  let best: { interface: string; gateway: string; metric: number } | undefined;
  for (const line of text.split('\n')) {
    const [destination, length, , , gateway, metric, , , flags, name] = line.trim().split(/\s+/);
    if (name === undefined || length !== '00' || !/^0{32}$/.test(destination ?? '') || gateway === undefined)
      continue;
    // RTF_GATEWAY (2) and not RTF_REJECT (0x200).
    if ((Number.parseInt(flags ?? '0', 16) & 0x202) !== 2) continue;
    const cost = Number.parseInt(metric ?? '', 16);
    if (best !== undefined && best.metric <= cost) continue;
    const words = gateway.match(/.{4}/g)?.map((word) => Number.parseInt(word, 16)) ?? [];
    const address = formatIPv6(words);
    if (!isWayOut(address)) best = { interface: name, gateway: address, metric: cost };
  }
  return best === undefined ? undefined : { interface: best.interface, gateway: best.gateway };
}

/** Hardware address in what `ip -json -6 neigh show` prints for one neighbour; undefined while it is not resolved. */
export function findNeighbour6(json: string): string | undefined {
  try {
    const entries = JSON.parse(json) as { lladdr?: unknown; state?: unknown }[];
    const found = entries.find(({ lladdr, state }) => {
      const failed = Array.isArray(state) && state.includes('FAILED');
      return typeof lladdr === 'string' && !failed;
    });
    return (found?.lladdr as string | undefined)?.toLowerCase();
  } catch {
    return undefined;
  }
}

/**
 * The prefixes that routers of the link advertise, in what `ip -json -6 route show proto ra` prints; undefined while
 * no router has been heard.
 */
export function findAdvertisedPrefixes(json: string): { address: string; prefix: number }[] | undefined {
  try {
    const routes = JSON.parse(json) as { dst?: unknown; gateway?: unknown }[];
    if (routes.length === 0) return undefined;
    return routes.flatMap(({ dst, gateway }) => {
      const [, address, prefix] = /^([0-9a-f:]+)\/(\d+)$/i.exec(String(dst)) ?? [];
      return address === undefined || gateway !== undefined ? [] : [{ address, prefix: Number(prefix) }];
    });
  } catch {
    return undefined;
  }
}

/**
 * Seconds until the first address in what `ip -json addr show` prints is deprecated, or is gone where it is deprecated
 * already; Infinity where none has an end, 0 where the text says nothing.
 */
export function findShortestLife(json: string): number {
  const forever = 0xffff_ffff;
  type Shown = { addr_info?: { preferred_life_time?: number; valid_life_time?: number }[] };
  try {
    const lives = (JSON.parse(json) as Shown[]).flatMap(({ addr_info: entries = [] }) =>
      entries.flatMap(({ preferred_life_time: preferred, valid_life_time: valid }) => {
        // What a filter leaves out is printed as an empty object.
        if (preferred === undefined || valid === undefined) return [];
        return preferred > 0 ? preferred : valid;
      }),
    );
    return Math.min(...lives.map((life) => (life === forever ? Number.POSITIVE_INFINITY : life)));
  } catch {
    return 0;
  }
}

/** Hardware address of a neighbour in /proc/net/arp, in lower case; undefined while it is not resolved. */
export function findNeighbour(text: string, address: string, name: string): string | undefined {
  for (const line of text.split('\n').slice(1)) {
    const [ip, , flags, mac, , device] = line.trim().split(/\s+/);
    // ATF_COM (2): the entry is complete.
    if (ip !== address || device !== name || (Number.parseInt(flags ?? '0', 16) & 2) === 0) continue;
    if (mac !== undefined && mac !== '00:00:00:00:00:00') return mac.toLowerCase();
  }
  return undefined;
}

/** The kernel prints addresses as the word lies in memory: little-endian on every machine that we run on. */
function hostOrderIPv4(hex: string): string {
  const word = Number.parseInt(hex, 16);
  return [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24].join('.');
}
