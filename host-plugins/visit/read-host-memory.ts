import { readFile } from 'node:fs/promises';
import type { Check } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import {
  type HostMemoryFacts,
  judgeHostMemory,
  parseControlGroups,
  parseCoreLimit,
  parseSwaps,
} from './judge-host-memory.ts';

/** As it is for this process; its children have the same limits and control group. Files that are not there say nothing. */
async function readHostMemory(): Promise<HostMemoryFacts> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const groups = parseControlGroups(await read('/proc/self/cgroup'));
  const limits = await Promise.all(groups.map((group) => read(`/sys/fs/cgroup${group}/memory.swap.max`)));
  return {
    swaps: parseSwaps(await read('/proc/swaps')),
    swapForbidden: limits.some((limit) => limit.trim() === '0'),
    coreLimit: parseCoreLimit(await read('/proc/self/limits')),
    corePattern: await read('/proc/sys/kernel/core_pattern'),
  };
}

/** For `wdock doctor`: whether this device can be a kiosk. */
export async function checkHostMemory(): Promise<Check> {
  const reasons = judgeHostMemory(await readHostMemory());
  if (reasons.length === 0) {
    return {
      name: 'visitors',
      state: 'ok',
      detail: "no disk of this device gets the memory of a visitor's VM",
    };
  }
  return {
    name: 'visitors',
    state: 'warning',
    detail: `VMs whose users trust this device as a kiosk are refused: ${reasons.map(({ why }) => why).join('; ')}`,
    remedy: reasons.map(({ remedy }) => remedy).join('; '),
  };
}

/** Throws `missing-dependency`, with all reasons, where the memory of a VM could come to a disk of this device. */
export async function requireMemoryIsNotKept(): Promise<void> {
  const reasons = judgeHostMemory(await readHostMemory());
  if (reasons.length === 0) return;
  throw new DockError(
    'missing-dependency',
    `this device cannot keep the memory of a visiting VM off its disks: ${reasons
      .map(({ why, remedy }) => `${why} (${remedy})`)
      .join('; ')}`,
    { detail: { reasons } },
  );
}
