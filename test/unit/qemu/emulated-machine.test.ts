import { describe, expect, it } from 'vitest';
import { buildCommandLine } from '../../../host-plugins/qemu/command-line.ts';
import { runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { MachineContract } from '../../../protocol/workspace.ts';

const contract = MachineContract.parse({
  machineType: 'pc-q35-10.0',
  cpuModel: 'Nehalem-v1',
  baseMemoryMiB: 512,
  maxPluggedMemoryMiB: 16384,
  uuid: '6f0c2c5e-52c4-4d8a-9d3c-8f6f6a1e7701',
  generationId: '0b9d1a52-3f0e-4c61-9a53-6d1a2be57702',
  macAddress: '52:54:00:77:00:50',
});

function build(accelerator: 'tcg' | 'kvm'): string[] {
  return buildCommandLine(
    contract,
    { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 },
    {
      name: 'work',
      accelerator,
      files: runtimeFiles('/run/w'),
      tap: 'wd-work',
      vhost: false,
      incoming: 'none',
      paused: true,
      extraPorts: [],
    },
  );
}

describe('a machine without KVM', () => {
  it('has no large memory block whose writes QEMU would lose in a move', () => {
    const argv = build('tcg');
    const blocks = argv.filter((option) => option.startsWith('memory-backend-memfd'));
    expect(blocks[0]).toContain('id=plugged');
    const baseKiB = Number(/size=(\d+)K/.exec(blocks[1] ?? '')?.[1]);
    expect(baseKiB % 256).not.toBe(0);
    expect(baseKiB % 8).toBe(0); // or QEMU rounds -m up, and refuses a backend of another size
  });

  it('is one that Linux lets plug vCPUs into', () => {
    expect(build('tcg').join(' ')).toContain('serial=VMware-');
    expect(build('kvm').join(' ')).not.toContain('VMware');
  });

  it('has exactly the contract’s base memory with KVM', () => {
    expect(build('kvm').join(' ')).toContain('-m size=524288K');
  });
});
