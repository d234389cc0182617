/**
 * Each virtual machine's QEMU runs as a user and a group of its own, which are numbers and in no list of users. The range
 * is one that nobody gives away: above 2000200000, where SSSD and FreeIPA end, and below systemd's foreign users at 0x7ffe0000
 * (https://systemd.io/UIDS-GIDS).
 */
export const machineUsers = { first: 0x7f1d_0000, last: 0x7f1d_ffff } as const;

export interface MachineUser {
  /** The number of the user, and of its group. */
  readonly id: number;
  /** Group that may open /dev/kvm, where that takes one. */
  readonly kvmGroup?: number;
}

export function isMachineUser(id: number): boolean {
  return id >= machineUsers.first && id <= machineUsers.last;
}

/** What decides whether this process can give its QEMUs users of their own. */
export interface MachineUserFacts {
  /** CapEff of /proc/self/status. */
  readonly capabilities: bigint;
  /** /proc/self/uid_map and gid_map: first number inside, first outside, how many. */
  readonly userMap: string;
  readonly groupMap: string;
  /** setpriv(1) is there. */
  readonly setpriv: boolean;
  /** Who may open /dev/kvm; undefined where it is not there, or not used. */
  readonly kvm: { readonly mode: number; readonly group: number } | undefined;
}

/** By their numbers in linux/capability.h. */
const needed = { CAP_KILL: 5, CAP_SETGID: 6, CAP_SETUID: 7, CAP_SETPCAP: 8 } as const;

export type MachineUserAnswer =
  | { readonly can: true; readonly kvmGroup?: number }
  | { readonly can: false; readonly why: string };

/** Whether QEMU can run as a user of its own here. */
export function judgeMachineUsers(facts: MachineUserFacts): MachineUserAnswer {
  const missing = Object.entries(needed)
    .filter(([, bit]) => (facts.capabilities & (1n << BigInt(bit))) === 0n)
    .map(([name]) => name);
  if (missing.length > 0) return { can: false, why: `wdockd has no ${missing.join(', ')}` };
  if (!maps(facts.userMap) || !maps(facts.groupMap)) {
    return {
      can: false,
      why: `wdockd runs in a user namespace that has no users ${machineUsers.first} to ${machineUsers.last}`,
    };
  }
  if (!facts.setpriv) return { can: false, why: 'there is no setpriv (util-linux)' };
  const { kvm } = facts;
  if (kvm === undefined || (kvm.mode & 0o006) === 0o006) return { can: true };
  if ((kvm.mode & 0o060) === 0o060 && kvm.group !== 0) return { can: true, kvmGroup: kvm.group };
  return { can: false, why: 'only root may open /dev/kvm; the group kvm has to be able to' };
}

/** user_namespaces(7) */
function maps(map: string): boolean {
  return map.split('\n').some((line) => {
    const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= machineUsers.first && inside + count > machineUsers.last;
  });
}

/** @param chance from 0 up to and without 1 */
export function chooseMachineUser(chance: number): number {
  return machineUsers.first + Math.floor(chance * (machineUsers.last - machineUsers.first + 1));
}
