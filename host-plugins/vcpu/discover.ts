import { availableParallelism } from 'node:os';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { listQemuDevices } from '../system/host-inventory/list-qemu-devices.ts';

export async function discoverVcpu(signal: AbortSignal): Promise<PluginAbility> {
  const cpus = availableParallelism();
  const devices = await listQemuDevices(signal);
  if (!devices.found) return { can: [], cannot: [`plug vCPUs: ${devices.why}`] };
  return {
    can: [
      'plug vCPUs into a running VM, and unplug all but the first',
      `run ${cpus} of them at once (more share the host's ${cpus})`,
    ],
    cannot: [],
  };
}
