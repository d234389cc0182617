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

/**
 * A Linux guest counts empty slots only where it knows that it runs on a hypervisor, and it does not know QEMU's
 * emulator (acpi_is_processor_usable in arch/x86/kernel/acpi/boot.c of present kernels). Seen with Debian 13's
 * 6.12.117: "Allowing 1 present CPUs plus 0 hotplug CPUs", later "Unable to map lapic to logical cpu number".
 */
function emulationLimits(accelerator: string): string[] {
  if (accelerator !== 'tcg') return [];
  return [
    'plug vCPUs under software emulation (there is no usable KVM here) into a Linux guest that booted without them: ' +
      'it uses only as many as it ever had',
  ];
}
