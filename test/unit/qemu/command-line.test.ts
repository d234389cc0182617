import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCommandLine, type MachineEnvironment } from '../../../host-plugins/qemu/command-line.ts';
import { dbusUnixAddress } from '../../../host-plugins/qemu/dbus-address.ts';
import { qemuOption } from '../../../host-plugins/qemu/qemu-option.ts';
import { extraPortSocket, runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { buildStorageCommandLine } from '../../../host-plugins/qemu/storage-daemon.ts';
import { MachineContract, type MachineFilling } from '../../../protocol/workspace.ts';

const contract = MachineContract.parse({
  machineType: 'pc-q35-10.0',
  cpuModel: 'Nehalem-v1',
  baseMemoryMiB: 512,
  maxPluggedMemoryMiB: 65536,
  uuid: '7816d145-5252-47df-a76d-38d4224070b6',
  generationId: 'dec0b8a3-252b-458a-aef2-eecc3c1d3b04',
  macAddress: '52:54:00:12:34:56',
  kernel: {
    image: '/boot/vmlinuz',
    initrd: '/boot/initrd',
    commandLine: 'root=/dev/vda console=ttyS0,115200',
  },
});
const filling: MachineFilling = { pluggedVcpus: [2, 1], requestedPluggedMemoryMiB: 1024 };

function environment(changes: Partial<MachineEnvironment> = {}): MachineEnvironment {
  return {
    name: 'work',
    accelerator: 'kvm',
    files: runtimeFiles('/run/wireless-dock/work'),
    tap: 'wd-work',
    vhost: false,
    incoming: 'none',
    paused: false,
    extraPorts: [],
    ...changes,
  };
}

/** What QEMU compares when a VM comes in: devices, memory and machine, without back ends. */
function shape(argv: readonly string[]): string[] {
  return argv.flatMap((option, index) => {
    const value = argv[index + 1] ?? '';
    return ['-machine', '-cpu', '-smp', '-m', '-device', '-uuid'].includes(option)
      ? [`${option} ${value}`]
      : [];
  });
}

describe('the command line', () => {
  it.each([
    ['a vCPU twice', { pluggedVcpus: [1, 1], requestedPluggedMemoryMiB: 0 }],
    ['the boot CPU as a plugged one', { pluggedVcpus: [0], requestedPluggedMemoryMiB: 0 }],
    ['a vCPU beyond the last slot', { pluggedVcpus: [64], requestedPluggedMemoryMiB: 0 }],
    ['more memory than the range', { pluggedVcpus: [], requestedPluggedMemoryMiB: 65538 }],
  ])('is refused for %s', (_what, wrong) => {
    expect(() => buildCommandLine(contract, wrong, environment())).toThrow(
      expect.objectContaining({ kind: 'conflict' }),
    );
  });

  it.each(['', 'a-name-that-is-too-long', 'with space', 'a/b'])('is refused for a tap named "%s"', (tap) => {
    expect(() => buildCommandLine(contract, filling, environment({ tap }))).toThrow(
      expect.objectContaining({ kind: 'config-invalid' }),
    );
  });

  // A change here is another machine: workspaces that exist cannot move to a host with the older version.
  it('has the shape that existing workspaces have', () => {
    expect(
      shape(buildCommandLine(contract, filling, environment({ extraPorts: ['org.wirelessdock.lab'] }))),
    ).toEqual([
      '-machine pc-q35-10.0,memory-backend=base,vmport=off,dump-guest-core=off',
      '-uuid 7816d145-5252-47df-a76d-38d4224070b6',
      '-device vmgenid,id=vmgenid0,guid=dec0b8a3-252b-458a-aef2-eecc3c1d3b04',
      '-cpu Nehalem-v1,enforce=on,vmx=off,svm=off',
      '-smp cpus=1,sockets=1,dies=1,cores=64,threads=1,maxcpus=64',
      '-device Nehalem-v1-x86_64-cpu,id=vcpu1,socket-id=0,die-id=0,core-id=1,thread-id=0',
      '-device Nehalem-v1-x86_64-cpu,id=vcpu2,socket-id=0,die-id=0,core-id=2,thread-id=0',
      '-m size=524288K,maxmem=67633152K',
      '-device virtio-mem-pci,id=vmem0,addr=0x6,memdev=plugged,block-size=2M,requested-size=1024M',
      '-device virtio-balloon-pci,id=balloon0,addr=0x5,deflate-on-oom=on,free-page-reporting=on,free-page-hint=on,iothread=hints',
      '-device isa-serial,id=serial0,chardev=serial,index=0',
      '-device virtio-serial-pci,id=channels,addr=0x4,max_ports=16',
      '-device virtserialport,id=port-agent,bus=channels.0,nr=1,chardev=agent,name=org.wirelessdock.agent.0',
      '-device virtserialport,id=port-extra0,bus=channels.0,nr=2,chardev=extra0,name=org.wirelessdock.lab',
      '-device virtio-blk-pci,id=disk0,addr=0x3,drive=disk,num-queues=4,werror=stop,rerror=stop,bootindex=1',
      '-device virtio-net-pci,id=nic0,addr=0x2,netdev=net0,mac=52:54:00:12:34:56,romfile=,guest_uso4=off,guest_uso6=off,host_uso=off',
      '-device virtio-gpu-pci,id=gpu0,addr=0x1,edid=on,max_outputs=1',
      '-device virtio-keyboard-pci,id=keyboard0,addr=0x7',
      '-device virtio-tablet-pci,id=tablet0,addr=0x8',
      '-device virtio-rng-pci,id=rng0,addr=0x9,rng=random',
    ]);
  });

  it('has the same shape on every host of the same accelerator', () => {
    const anEnvironment = fc.record({
      name: fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
      accelerator: fc.constantFrom('kvm', 'tcg' as const),
      files: fc.stringMatching(/^\/[a-z]{1,20}$/).map(runtimeFiles),
      tap: fc.stringMatching(/^[a-z0-9-]{1,15}$/),
      vhost: fc.boolean(),
      incoming: fc.constantFrom('defer', 'none' as const),
      paused: fc.boolean(),
      extraPorts: fc.constant([]),
    });
    fc.assert(
      fc.property(anEnvironment, (there) => {
        const here = { ...environment(), accelerator: there.accelerator };
        const expected = shape(buildCommandLine(contract, filling, here));
        expect(shape(buildCommandLine(contract, filling, there))).toEqual(expected);
      }),
    );
  });

  it('gives every device on the bus a place of its own', () => {
    const argv = buildCommandLine(contract, filling, environment());
    const devices = shape(argv).filter((option) => option.includes('-pci'));
    const places = devices.map((device) => /addr=(0x[0-9a-f]+)/.exec(device)?.[1]);
    expect(places).not.toContain(undefined);
    expect(new Set(places).size).toBe(devices.length);
  });

  it('does not let an incoming VM run by itself', () => {
    const argv = buildCommandLine(contract, filling, environment({ incoming: 'defer', paused: false }));
    expect(argv).toContain('-S');
    expect(argv.slice(argv.indexOf('-incoming'), argv.indexOf('-incoming') + 2)).toEqual([
      '-incoming',
      'defer',
    ]);
    expect(buildCommandLine(contract, filling, environment())).not.toContain('-S');
  });

  it('takes kernel and initrd from where they are on this host', () => {
    const kernelFiles = { image: '/here/vmlinuz', initrd: '/here/initrd' };
    const argv = buildCommandLine(contract, filling, environment({ kernelFiles }));
    expect(argv.slice(argv.indexOf('-kernel'))).toEqual([
      '-kernel',
      '/here/vmlinuz',
      '-initrd',
      '/here/initrd',
      '-append',
      'root=/dev/vda console=ttyS0,115200',
    ]);
    const { kernel: _kernel, ...loader } = contract;
    expect(buildCommandLine(loader, filling, environment())).not.toContain('-kernel');
  });
});

describe('what QEMU parses', () => {
  it('doubles commas in values, so that a path cannot set another option', () => {
    expect(qemuOption('file', { path: '/a,id=b', on: true, off: false, none: undefined })).toBe(
      'file,path=/a,,id=b,on=on,off=off',
    );
    const argv = buildStorageCommandLine(
      { path: '/d,locking=off', format: 'raw' },
      runtimeFiles('/run/w'),
      'file',
    );
    expect(argv.join(' ')).toContain('filename=/d,,locking=off,locking=on');
  });

  it('escapes what a bus address does not take plain', () => {
    expect(dbusUnixAddress('/run/a b,c;d=e/%')).toBe('unix:path=/run/a%20b%2Cc%3Bd%3De/%25');
    expect(dbusUnixAddress("/run/it's")).toBe('unix:path=/run/it%27s');
  });
});

describe('a socket path', () => {
  it('is refused when it is longer than the system takes, in bytes', () => {
    expect(() => runtimeFiles(`/run/${'x'.repeat(100)}`)).toThrow(
      expect.objectContaining({ kind: 'config-invalid' }),
    );
    // 80 characters, but more bytes.
    expect(() => runtimeFiles(`/run/${'ü'.repeat(75)}`)).toThrow(
      expect.objectContaining({ kind: 'config-invalid' }),
    );
    const longest = `/${'x'.repeat(107 - '/port-p.sock'.length - 1)}`;
    expect(extraPortSocket(longest, 'p')).toHaveLength(107);
    expect(() => extraPortSocket(`${longest}x`, 'p')).toThrow(/107/);
  });
});
