import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { adaptMemory } from './adapt.ts';
import { discoverMemory } from './discover.ts';
import { defaultMemoryMargin, type MemoryMargin } from './floor.ts';
import { planMemory } from './plan.ts';
import { defaultMemoryTiming, type MemoryTiming } from './timing.ts';
import { verifyMemory } from './verify.ts';

/** Memory is plugged and unplugged through virtio-mem; the balloon takes what will not leave. */
export function memoryPlugin(
  timing: MemoryTiming = defaultMemoryTiming,
  margin: MemoryMargin = defaultMemoryMargin,
): ResourcePlugin {
  return {
    resource: 'memory',
    abilities: { hotplug: true, survivesMigration: true },
    discover: discoverMemory,
    plan: (context) => planMemory(context, margin),
    adapt: (step, machine, progress, signal) =>
      adaptMemory(step, machine, progress, { timing, margin }, signal),
    verify: verifyMemory,
  };
}
