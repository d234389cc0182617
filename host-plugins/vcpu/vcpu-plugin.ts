import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { defaultVcpuTiming, growVcpus, shrinkVcpus, type VcpuTiming } from './adapt.ts';
import { discoverVcpu } from './discover.ts';
import { planVcpu, VcpuChange } from './plan.ts';
import { verifyVcpu } from './verify.ts';

/** vCPUs are plugged and unplugged while the VM runs, and brought online and offline in the guest. */
export function vcpuPlugin(timing: VcpuTiming = defaultVcpuTiming): ResourcePlugin {
  return {
    resource: 'vcpu',
    abilities: { hotplug: true, survivesMigration: true },
    discover: discoverVcpu,
    plan: planVcpu,
    adapt: (step, machine, progress, signal) => {
      const change = VcpuChange.parse(step.change);
      const adapt = change.action === 'shrink' ? shrinkVcpus : growVcpus;
      return adapt(change.vcpus, machine, progress, timing, signal);
    },
    verify: verifyVcpu,
  };
}
