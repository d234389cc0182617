import { DockError } from '../../protocol/dock-error.ts';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { listQemuDevices } from '../system/host-inventory/list-qemu-devices.ts';
import { run } from '../system/process/run.ts';

const limitMs = 15_000;

export async function discoverDisplay(signal: AbortSignal): Promise<PluginAbility> {
  const can: string[] = [];
  const cannot: string[] = [];
  const devices = await listQemuDevices(signal);
  if (devices.found && devices.names.has('virtio-gpu-pci')) can.push('show the guest a monitor of any size');
  else {
    const why = devices.found ? 'this QEMU has no virtio-gpu-pci; install its display modules' : devices.why;
    cannot.push(`show the guest a monitor: ${why}`);
  }
  try {
    const { stdout } = await run(['qemu-system-x86_64', '-display', 'help'], { timeoutMs: limitMs, signal });
    if (/^dbus$/m.test(stdout)) can.push('change its size, with millimetres, while the VM runs');
    else {
      cannot.push(
        "change the size of the guest's monitor: this QEMU has no D-Bus display; install qemu-system-modules-opengl (Debian 13) or qemu-system-common (Debian 12)",
      );
    }
  } catch (error) {
    signal.throwIfAborted();
    cannot.push(`change the size of the guest's monitor: ${DockError.from(error).message}`);
  }
  return { can, cannot };
}
