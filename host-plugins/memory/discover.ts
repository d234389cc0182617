import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { PluginAbility } from '../contract/resource-plugin.ts';
import { listQemuDevices } from '../system/host-inventory/list-qemu-devices.ts';

const bytesPerMiB = 1024 * 1024;

/** proc(5): with mode 2 the kernel refuses address space that is not backed, so also virtio-mem's large range. */
const overcommitFile = '/proc/sys/vm/overcommit_memory';

export async function discoverMemory(signal: AbortSignal): Promise<PluginAbility> {
  const can: string[] = [];
  const cannot: string[] = [];
  const devices = await listQemuDevices(signal);
  const has = (name: string): boolean => devices.found && devices.names.has(name);
  const why = devices.found ? 'this QEMU has no such device' : devices.why;
  if (has('virtio-mem-pci')) {
    can.push(
      `plug and unplug memory while the VM runs; the host has ${Math.round(totalmem() / bytesPerMiB)} MiB`,
    );
  } else cannot.push(`plug memory (virtio-mem): ${why}`);
  if (has('virtio-balloon-pci')) can.push('take what cannot be unplugged into a balloon');
  else cannot.push(`use a balloon (virtio-balloon): ${why}`);
  const overcommit = (await readFile(overcommitFile, { encoding: 'utf8', signal })).trim();
  if (overcommit === '2') {
    cannot.push('keep room for memory to be plugged later: vm.overcommit_memory is 2; set it to 0 or 1');
  }
  return { can, cannot };
}
