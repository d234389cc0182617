import type { Decision } from '../../protocol/control-methods.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import { beginNarrowing, hostRule, machineRule } from './narrow.ts';
import type { Settings } from './settings.ts';

/** 1 to what both the host and the machine contract have. Where rules contradict, the one that gives less wins. */
export function chooseVcpus(
  { share, leave, min, max }: Settings['vcpus'],
  { cpus }: HostProfile,
  contract: MachineContract,
): { vcpus: number; decisions: Decision[] } {
  const has = cpus.logical;
  const wish = beginNarrowing(
    'vcpus',
    Math.floor((has * share.value) / 100),
    '',
    share.rule,
    `${share.value}% of the host's ${cpuText(has)}`,
  );
  wish.step(Math.max(wish.value, min.value), min.rule, `at least ${min.value}`);
  if (max !== undefined) wish.step(Math.min(wish.value, max.value), max.rule, `at most ${max.value}`);
  wish.step(Math.min(wish.value, has), hostRule, `it has ${cpuText(has)}`);
  wish.step(
    Math.min(wish.value, has - leave.value),
    leave.rule,
    `${leave.value} of ${has} stay with the host`,
  );
  wish.step(Math.max(wish.value, 1), machineRule, 'it cannot run with less than one');
  wish.step(
    Math.min(wish.value, contract.maxVcpus),
    machineRule,
    `it was made for at most ${contract.maxVcpus}`,
  );
  return { vcpus: wish.value, decisions: wish.decisions };
}

const cpuText = (count: number) => (count === 1 ? '1 CPU' : `${count} CPUs`);
