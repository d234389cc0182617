import { parseArgs } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';
import type { EmulatorChoice } from '../emulator/lab-emulator.ts';
import { type LabLayout, labLayouts } from '../network/address-plan.ts';
import { type LinkShapeName, linkShapeNames } from '../network/link-shape.ts';

export interface DemoArguments {
  /** Round trips. */
  readonly trips: number;
  /** Of the PC, and of the MID where nothing else is said of it. */
  readonly link: LinkShapeName;
  readonly midLink: LinkShapeName;
  /** What the network of the guest is watched on; undefined where it is not watched. */
  readonly network: LabLayout | undefined;
  /** What a move costs the connections is that of QEMU's newest; what this machine's costs without KVM is in decision 4. */
  readonly emulator: EmulatorChoice;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const demoUsage = `usage: npm run demo -- [--trips N] [--link LINK] [--network NETWORK] [--json FILE]

Docks a running Debian VM from a simulated mobile device to a simulated PC, and undocks it again. A round trip
takes two to four minutes without KVM. Ctrl-C ends both devices and all that runs on them.

  --trips N           so many round trips; default 1, with --network lan 20, which takes half an hour without KVM
  --link LINK         ${linkShapeNames.join(', ')}; default ethernet100,
                      and with --network wifi70 for the mobile device
  --network NETWORK   hold connections with the VM from a client on its LAN, both ways, with data in them, over IPv4 and
                      IPv6; make new ones after each trip; and show how long they were silent. On one LAN (lan), where that
                      has to be within twice the standstill of the VM and 200 ms; or with the PC on another one, behind a
                      router (two-lans), where an anchor carries what was open. The PC is a smaller one then
  --json FILE         also write the outcome as one JSON object: every trip, in "failures" what is not as it should be,
                      and "error" where the demo could not go on
  --help              show this
`;

/** Throws `usage` for anything that it does not know. */
export function parseDemoArguments(args: readonly string[]): DemoArguments {
  let values: { trips?: string; link?: string; network?: string; json?: string; help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        trips: { type: 'string' },
        link: { type: 'string' },
        network: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${demoUsage}`);
  }
  const network = values.network === undefined ? undefined : oneOf('--network', labLayouts, values.network);
  const trips = values.trips === undefined ? defaultTrips(network) : Number(values.trips);
  if (!Number.isInteger(trips) || trips < 1 || trips > 1000) {
    throw new DockError('usage', `--trips takes a whole number from 1 to 1000, not "${values.trips}"`);
  }
  const link = values.link === undefined ? undefined : oneOf('--link', linkShapeNames, values.link);
  return {
    trips,
    link: link ?? 'ethernet100',
    midLink: link ?? (network === undefined ? 'ethernet100' : 'wifi70'),
    network,
    emulator: network === undefined ? 'own' : 'newest',
    json: values.json,
    help: values.help ?? false,
  };
}

/** What is claimed of a guest that stays on its LAN is claimed of many trips: a median, and a worst one. */
function defaultTrips(network: LabLayout | undefined): number {
  return network === 'lan' ? 20 : 1;
}

function oneOf<Name extends string>(option: string, names: readonly Name[], given: string): Name {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  throw new DockError('usage', `${option} takes ${names.join(', ')}, not "${given}"`);
}
