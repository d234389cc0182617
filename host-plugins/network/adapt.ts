import type { NetworkMode } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { Adapted, Undo } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import type { NetworkBinding } from '../system/network/binding.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { lanAddresses } from '../system/network/neighbour-frames.ts';
import { describeWay, type Ports, type Told, type Way } from './plan.ts';

type PassableWay = Exclude<Way, { mode: 'none' }>;

/** NetworkManager's Reapply waits for a new DHCP answer where there was none. */
const applyLimitMs = 30_000;

/** QEMU's own announcement, ms and rounds: RARP frames with the guest's address, which bridges learn from. */
const announceSelf = { initial: 50, max: 550, rounds: 5, step: 100 };

const nothingToUndo: Undo = async () => {};

/** Joins the VM's tap to the LAN on this host. A way that cannot be laid is a shortfall: a VM without network runs. */
export async function bindNetwork(
  way: Way,
  ports: Ports,
  machine: VirtualMachine,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<Adapted> {
  if (way.mode === 'none') return { undo: nothingToUndo, shortfalls: [noWay(way)] };
  const shortfalls: Shortfall[] = [];
  if (way.mode === 'routed' && lanAddresses(machine.guestAddresses).length === 0) {
    shortfalls.push(
      shortfall(
        way,
        'no route to the guest',
        "the guest's addresses are not known, so nothing can be routed to it",
      ),
    );
  }
  try {
    await network.bind(bindingOf(way, machine, ports), signal);
    return { undo: (cleanup) => network.withdraw(machine.tap, cleanup), shortfalls };
  } catch (error) {
    signal.throwIfAborted();
    return { undo: nothingToUndo, shortfalls: [shortfall(way, 'not joined', DockError.from(error).message)] };
  }
}

/** Tells the LAN where the guest is now, from the host and from QEMU. */
export async function announceNetwork(
  way: Way,
  machine: VirtualMachine,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<Adapted> {
  // The shortfall of having no way was told by the step before.
  if (way.mode === 'none') return { undo: nothingToUndo, shortfalls: [] };
  const addresses = lanAddresses(machine.guestAddresses);
  const tell = async (work: Promise<unknown>): Promise<Shortfall[]> => {
    try {
      await work;
      return [];
    } catch (error) {
      signal.throwIfAborted();
      const reason = `other hosts may look for the guest at its old place: ${DockError.from(error).message}`;
      return [shortfall(way, 'not announced', reason)];
    }
  };
  const told = await Promise.all([
    tell(network.announce(bindingOf(way, machine), machine.contract.macAddress, addresses, signal)),
    ...(isOnLink(way) ? [tell(machine.qmp.execute('announce-self', announceSelf, signal))] : []),
  ]);
  return { undo: nothingToUndo, shortfalls: told.flat() };
}

/** Has the guest re-bind its connection; it gets the hardware address by which it can tell routed from bridged. */
export async function applyToGuest(
  way: Way,
  told: Told,
  machine: VirtualMachine,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<Adapted> {
  if (way.mode === 'none') return { undo: nothingToUndo, shortfalls: [] };
  const hostMac = await network.hardwareAddress(machine.tap, signal);
  // There the servers of the LAN are reached by themselves.
  const dhcp = isOnLink(way) || (await network.servesDhcp(machine.tap));
  const mode: NetworkMode = isOnLink(way) ? 'bridged' : way.mode;
  const params = { mode, ...told, dhcp, ...(hostMac === undefined ? {} : { hostMac }) };
  const asked = await askAgent(machine, 'apply-network', params, applyLimitMs, signal);
  const problems = asked.answered ? asked.result.problems : [asked.why];
  return {
    undo: nothingToUndo,
    shortfalls: problems.map((problem) => shortfall(way, 'not re-bound in the guest', problem)),
  };
}

function bindingOf(way: PassableWay, machine: VirtualMachine, ports: Ports = {}): NetworkBinding {
  const { reach, open, forward } = ports;
  const binding = {
    tap: machine.tap,
    guestAddresses: lanAddresses(machine.guestAddresses),
    ...(open === undefined ? {} : { open }),
  };
  switch (way.mode) {
    case 'bridged':
      return { mode: 'bridged', bridge: way.bridge, ...binding };
    case 'beside':
      return {
        mode: 'beside',
        tap: machine.tap,
        link: way.link,
        guestMac: machine.contract.macAddress,
        guestAddresses: binding.guestAddresses,
      };
    case 'routed':
      return { mode: 'routed', uplink: way.uplink, guestMac: machine.contract.macAddress, ...binding };
    case 'nat':
      return {
        mode: 'nat',
        uplink: way.uplink,
        ...binding,
        ...(reach === undefined ? {} : { reach }),
        ...(forward === undefined ? {} : { forward }),
      };
  }
}

/** The guest is on the LAN's own link, with its own hardware address. */
function isOnLink(way: PassableWay): way is PassableWay & { mode: 'bridged' | 'beside' } {
  return way.mode === 'bridged' || way.mode === 'beside';
}

function noWay(way: Way & { mode: 'none' }): Shortfall {
  return { resource: 'network', requested: way.wished, actual: 'not joined', reason: way.why };
}

function shortfall(way: PassableWay, actual: string, reason: string): Shortfall {
  return { resource: 'network', requested: describeWay(way), actual, reason };
}
