import type { LinkFacts } from '../../../protocol/host-profile.ts';
import { judgeLink } from '../bridge/judge-link.ts';
import { readKernelState } from '../bridge/kernel-state.ts';
import { readSituation } from '../bridge/read-situation.ts';
import { type ManagedDevice, NetworkManager } from '../network-manager/network-manager.ts';
import { readGateways, resolveNeighbour } from './gateways.ts';
import type { Gateway } from './parse-routes.ts';

const usualMtu = 1500;

/**
 * What is to be asked of a link besides its addresses: its gateway, its greatest packet, whether a bridge can be made
 * over it, and what NetworkManager knows of it. Side by side, for it is asked at each move; what does not answer
 * within a second stays unknown.
 */
export async function addLinkDetails(
  links: readonly LinkFacts[],
  systemBus: string,
  signal: AbortSignal,
): Promise<LinkFacts[]> {
  const [gateways, connected] = await Promise.all([
    readGateways(signal),
    NetworkManager.connect(systemBus, signal),
  ]);
  await using manager = connected;
  return await Promise.all(links.map((link) => detailsOf(link, gateways, manager, signal)));
}

async function detailsOf(
  link: LinkFacts,
  gateways: readonly Gateway[],
  manager: NetworkManager | undefined,
  signal: AbortSignal,
): Promise<LinkFacts> {
  // A port of a bridge has nothing but its cable; addresses and routes are the bridge's.
  const device = link.bridge ?? link.name;
  const gateway = gateways.find((each) => each.device === device);
  const [gatewayMac, state, managed] = await Promise.all([
    gateway === undefined ? undefined : resolveNeighbour(gateway, false, signal),
    readKernelState(device, signal),
    findManaged(manager, device, signal),
  ]);
  const newBridge =
    link.canBridge && link.bridge === undefined
      ? await judgeNewBridge(link, manager, managed, signal)
      : undefined;
  return {
    ...link,
    metered: link.metered || managed?.metered === true,
    ...(newBridge === undefined ? {} : { newBridge }),
    ...(gatewayMac === undefined ? {} : { gatewayMac }),
    ...(state === undefined || state.mtu === usualMtu ? {} : { mtu: state.mtu }),
    ...(managed?.portal === true ? { portal: true } : {}),
  };
}

async function judgeNewBridge(
  link: LinkFacts,
  manager: NetworkManager | undefined,
  managed: ManagedDevice | undefined,
  signal: AbortSignal,
): Promise<LinkFacts['newBridge']> {
  try {
    const situation = await readSituation(link.name, manager, managed, signal);
    return situation === undefined ? undefined : judgeLink(situation);
  } catch {
    signal.throwIfAborted();
    // NetworkManager left, or the interface changed, in this moment.
    return undefined;
  }
}

/** What NetworkManager does not answer is unknown; the kernel has said what matters most. */
async function findManaged(
  manager: NetworkManager | undefined,
  device: string,
  signal: AbortSignal,
): Promise<ManagedDevice | undefined> {
  try {
    return await manager?.findDevice(device, signal);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
