import { availableParallelism } from 'node:os';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { readAccelerator } from '../qemu/accelerator.ts';
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
    cannot: emulationLimits((await readAccelerator()).accelerator),
  };
}

/** docs/decisions/0003 */
function emulationLimits(accelerator: string): string[] {
  if (accelerator !== 'tcg') return [];
  return [
    'unplug vCPUs under software emulation (there is no usable KVM here): QEMU hangs in the next migration after it, ' +
      'so they are taken offline and stay plugged',
  ];
}
