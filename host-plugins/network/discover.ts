import { access, constants } from 'node:fs/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { joinLinks } from '../system/host-inventory/join-links.ts';
import { addLinkDetails } from '../system/host-inventory/link-details.ts';
import { readWireless } from '../system/host-inventory/read-wireless.ts';
import { buildRules } from '../system/network/nft-rules.ts';
import { readInterfaces } from '../system/network/read-interfaces.ts';
import { systemBusAddress } from '../system/network-manager/system-bus.ts';
import { run } from '../system/process/run.ts';

const limitMs = 10_000;

export async function discoverNetwork(signal: AbortSignal): Promise<PluginAbility> {
  const can: string[] = [];
  const cannot: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      cannot.push(`${what}: ${DockError.from(error).message}`);
      return false;
    }
  };
  const tap = await attempt('give the guest a tap', () =>
    access('/dev/net/tun', constants.R_OK | constants.W_OK),
  );
  const filter = await attempt('filter what the guest sends', () => {
    // A dry run against the loopback interface: says whether kernel and rights suffice, changes nothing.
    const input = buildRules(
      { mode: 'routed', tap: 'lo', uplink: 'lo', guestAddresses: [] },
      { tapMac: 'fe:00:00:00:00:00', closedPorts: [1], forwardsForUsOnly: { ipv4: true, ipv6: true } },
    );
    return run(['nft', '-c', '-f', '-'], { input, timeoutMs: limitMs, signal });
  });
  await attempt('announce the guest to the network', () =>
    run(['socat', '-V'], { timeoutMs: limitMs, signal }),
  );
  await attempt('see the network interfaces', async () => {
    const interfaces = await readInterfaces(signal);
    const bridges = interfaces.filter((each) => each.kind === 'bridge');
    for (const bridge of bridges) {
      if (bridge.spanningTree) {
        cannot.push(
          `bridge on ${bridge.name} at once: its spanning tree protocol keeps a new port silent for up to 30 s`,
        );
      }
      if (tap && filter) can.push(`bridge the guest on ${bridge.name}`);
    }
    const links = joinLinks(interfaces, await readWireless(interfaces));
    const news = (await addLinkDetails(links, systemBusAddress(), signal)).map(sayNewBridge);
    if (tap && filter) can.push(...news.flatMap((each) => each.can ?? []));
    cannot.push(...news.flatMap((each) => each.cannot ?? []));
    if (bridges.length === 0 && news.length === 0)
      cannot.push('bridge the guest: this host has no wired link');
    if (tap && filter) can.push('route to the guest, IPv4 and IPv6');
  });
  const serves = await attempt('give addresses and names to the guest', () =>
    run(['dnsmasq', '--version'], { timeoutMs: limitMs, signal }),
  );
  if (tap && filter && serves) {
    can.push('put the guest behind this host (NAT)');
    can.push("pass a routed guest's DHCP on, where a server answers");
  }
  return { can, cannot };
}

/** What `wdock doctor` says of a link that is in no bridge. */
export function sayNewBridge({ name, canBridge, bridge, newBridge }: LinkFacts): {
  can?: string;
  cannot?: string;
} {
  if (!canBridge)
    return { cannot: `bridge the guest on ${name}: a Wi-Fi station cannot be a port of a bridge` };
  if (bridge !== undefined || newBridge === undefined) return {};
  return newBridge.possible
    ? { can: `make the bridge ${newBridge.name} over ${name} for guests, without going offline` }
    : { cannot: `bridge the guest on ${name}: ${newBridge.why}` };
}
