import type { Resource } from '../../protocol/allocation.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext, ResourcePlugin } from '../contract/resource-plugin.ts';

/**
 * The steps of all plugins. vCPUs leave before memory does, for a smaller machine touches less memory while it
 * shrinks. Throws `does-not-fit`, from the plugin that knows the numbers, before anything was changed.
 */
export function planTrip(plugins: readonly ResourcePlugin[], context: PlanContext): PlanStep[] {
  const order: readonly Resource[] = ['storage', 'network', 'display', 'vcpu', 'memory'];
  const rank = (plugin: ResourcePlugin): number => order.indexOf(plugin.resource);
  return [...plugins].sort((a, b) => rank(a) - rank(b)).flatMap((plugin) => plugin.plan(context));
}

/** The steps of one moment, in chains: a resource's steps keep their order, resources do not wait for each other. */
export function chainsOf(steps: readonly PlanStep[], when: PlanStep['when']): PlanStep[][] {
  const chains = new Map<Resource, PlanStep[]>();
  for (const step of steps) {
    if (step.when !== when) continue;
    chains.set(step.resource, [...(chains.get(step.resource) ?? []), step]);
  }
  return [...chains.values()];
}
