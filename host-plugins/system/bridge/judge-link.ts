import type { LinkFacts } from '../../../protocol/host-profile.ts';
import { portTypes } from './managed-profiles.ts';

/** What decides whether a bridge can be made over an interface. */
export interface LinkSituation {
  readonly name: string;
  /** As in sysfs; the bridge's name is made of it. */
  readonly index: number;
  /** With prefix length, and how long the kernel keeps it: with an end, somebody renews it. */
  readonly leased: readonly string[];
  /** NetworkManager's, where it manages the interface. */
  readonly connection: { readonly type: string; readonly needsLogin: boolean } | 'none' | undefined;
  /** Another service that is in charge of it, e.g. `systemd-networkd`. */
  readonly otherManager: string | undefined;
}

/** Short, and unique on the host: names of interfaces have at most 15 characters, which theirs may have already. */
export function bridgeName(index: number): string {
  return `wdbr${index}`;
}

/** Whether the host can make a bridge over an interface and stay online, or why not and what helps. */
export function judgeLink(situation: LinkSituation): NonNullable<LinkFacts['newBridge']> {
  const why = obstacle(situation);
  return why === undefined
    ? { possible: true, name: bridgeName(situation.index) }
    : { possible: false, why: `none can be made over it: ${why}` };
}

function obstacle({ name, connection, otherManager, leased }: LinkSituation): string | undefined {
  if (connection === 'none')
    return 'NetworkManager manages it and has no active connection on it; connect it first';
  if (connection !== undefined) {
    if (connection.needsLogin)
      return 'the switch wants a login (802.1X), which NetworkManager keeps to itself';
    if (portTypes.includes(connection.type)) return undefined;
    return `NetworkManager's connection on it is of the type ${connection.type}`;
  }
  if (otherManager !== undefined) {
    return `${otherManager} manages ${name} and would take it back; make a bridge in its configuration`;
  }
  const [lease] = leased;
  if (lease === undefined) return undefined;
  return `its address ${lease} is a lease that another program renews; make a bridge in that one's configuration, or let NetworkManager manage ${name}`;
}
