import { AgentProcess, type HostEnd, PortStandIn } from './agent-under-test.ts';
import { GuestNetwork, type LanChanges, type ProfileMethods } from './network-fixture.ts';

export const needsRoot = process.getuid?.() === 0;

/** Hardware address of a host's end of the tap that is not the gateway: the guest is on a bridge. */
export const otherHost = '02:00:00:00:00:99';

export interface BoundGuest extends AsyncDisposable {
  readonly network: GuestNetwork;
  readonly host: HostEnd;
  /** Hardware address of the router: where it is also the host's, the host routes. */
  readonly mac: string;
  /** Kills the agent and starts it anew. */
  startAgentAgain(): Promise<void>;
}

/** The agent in a guest's network, with a host at the other end of its port. */
export async function startAgent(methods?: ProfileMethods, lan?: LanChanges): Promise<BoundGuest> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await GuestNetwork.start(methods, lan));
  const port = stack.use(await PortStandIn.create());
  const plugged = port.plug();
  const start = (): Promise<AgentProcess> =>
    AgentProcess.system(port.device, network.bus.address, network.folder, network.enterGuest);
  let agent = await start();
  stack.defer(() => agent[Symbol.asyncDispose]());
  const host = stack.use(await plugged);
  await host.greet('session-1');
  const mac = await network.routerMac();
  const all = stack.move();
  const startAgentAgain = async (): Promise<void> => {
    await agent[Symbol.asyncDispose]();
    agent = await start();
  };
  return { network, host, mac, startAgentAgain, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Looks until it is so; the bound is the test's time limit. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/**
 * Looks until the guest has these addresses of a family and no others: NetworkManager acts after it has answered, and
 * may take IPv6 addresses away for some milliseconds.
 */
export function shows(guest: BoundGuest, family: 4 | 6, addresses: readonly string[]): Promise<void> {
  return until(async () => (await guest.network.addresses(family)).join() === addresses.join());
}
