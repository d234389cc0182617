import type { Decision } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import { shareOrSizeMiB } from '../language/quantities.ts';
import { beginNarrowing, hostRule, machineRule } from './narrow.ts';
import type { Settings } from './settings.ts';

/** virtio-mem plugs in blocks of this size (docs/architecture.md: `block-size=2M`). */
const blockMiB = 2;

/**
 * All memory of the guest in MiB: from the machine's base memory to base and everything that may be plugged, at
 * most what the policy leaves of the host, a multiple of 2. Throws `does-not-fit` where even the base memory is
 * more than that: a machine cannot have less.
 */
export function chooseMemory(
  { share, leave, min, max }: Settings['memory'],
  { memory }: HostProfile,
  contract: MachineContract,
): { memoryMiB: number; decisions: Decision[] } {
  const total = memory.totalMiB;
  const base = roundUp(contract.baseMemoryMiB);
  const most = roundDown(contract.baseMemoryMiB + contract.maxPluggedMemoryMiB);
  const kept = shareOrSizeMiB(leave.value, total);
  const offered = Math.max(0, roundDown(total - kept));
  if (base > offered) {
    throw new DockError(
      'does-not-fit',
      `the workspace needs at least ${base} MiB (its base memory), and the device can give ${offered} MiB: ` +
        `it has ${total} MiB, of which it keeps ${kept} MiB (${leave.rule})`,
      {
        detail: {
          neededMiB: base,
          offeredMiB: Math.max(0, offered),
          missingMiB: base - Math.max(0, offered),
        },
      },
    );
  }
  const wish = beginNarrowing(
    'memory',
    Math.floor((total * share.value) / 100),
    ' MiB',
    share.rule,
    `${share.value}% of the host's ${total} MiB`,
  );
  if (min !== undefined) wish.step(Math.max(wish.value, min.value), min.rule, `at least ${min.value} MiB`);
  if (max !== undefined) wish.step(Math.min(wish.value, max.value), max.rule, `at most ${max.value} MiB`);
  wish.step(Math.min(wish.value, total), hostRule, `it has ${total} MiB`);
  wish.step(Math.min(wish.value, total - kept), leave.rule, `${kept} of ${total} MiB stay with the host`);
  wish.step(Math.max(wish.value, base), machineRule, `its base memory is ${base} MiB`);
  wish.step(Math.min(wish.value, most), machineRule, `it was made for at most ${most} MiB`);
  wish.step(roundDown(wish.value), machineRule, `memory is plugged in blocks of ${blockMiB} MiB`);
  return { memoryMiB: wish.value, decisions: wish.decisions };
}

const roundDown = (mib: number) => Math.floor(mib / blockMiB) * blockMiB;
const roundUp = (mib: number) => Math.ceil(mib / blockMiB) * blockMiB;
