import { agentPortName } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { MachineContract, MachineFilling } from '../../protocol/workspace.ts';
import type { Accelerator } from './choose-accelerator.ts';
import { dbusUnixAddress } from './dbus-address.ts';
import { qemuOption } from './qemu-option.ts';
import { extraPortSocket, type RuntimeFiles } from './runtime-files.ts';

/** What differs between two hosts; nothing of it is seen in the stream of a migration. */
export interface MachineEnvironment {
  /** Shown by `ps`, and the guest's name in messages. */
  readonly name: string;
  readonly accelerator: Accelerator;
  /** As QEMU names them: from the root, or from its working folder. */
  readonly files: RuntimeFiles;
  /** In one of its arguments, where `files` are not named from the root: tells this QEMU from every other process. */
  readonly mark?: string;
  /** Has a file with a saved state as its descriptor 3; it is then to be loaded from `savedStateFile`. */
  readonly savedState?: boolean;
  /** Name of a tap that exists; QEMU runs no script for it. */
  readonly tap: string;
  /** Whether /dev/vhost-net may carry the packets. */
  readonly vhost: boolean;
  /** `defer`: wait for a VM that comes (`migrate-incoming`), paused. `none`: boot. */
  readonly incoming: 'defer' | 'none';
  /** Do not run the guest before `cont`; always so for an incoming VM. */
  readonly paused: boolean;
  /**
   * Names of further virtio-serial ports, in their order, e.g. `org.wirelessdock.lab`. Part of the shape:
   * both hosts need the same.
   */
  readonly extraPorts: readonly string[];
  /** `none`: what the guest writes on its serial port is kept nowhere. Default: a log. */
  readonly serial?: 'log' | 'none';
  /** Where kernel and initrd are on this host, when not where the contract says. */
  readonly kernelFiles?: { readonly image: string; readonly initrd: string };
}

/** What QEMU got as its descriptor 3, in its own words. */
export const savedStateFile = '/dev/fdset/1';

/** Name of the disk's block node and of its NBD export, the same on every host. */
export const diskNodeName = 'disk';

/**
 * How long I/O of the guest waits for a dropped disk connection, seconds. Afterwards the VM is paused
 * (werror=stop) and `cont` tries again, so no write is lost in either case. While it waits, `stop`, `quit`
 * and the end of a migration wait too, and with them all of QMP (they flush the disk), and `yank` does not
 * help: who recovers from a crash brings the disk's socket back *before* he talks to QEMU.
 */
const diskReconnectSeconds = 3600;

/** Start-up waits this long for the NBD server, seconds: the tunnel may be a moment behind. */
const diskOpenSeconds = 10;

/**
 * Every device has its place on the root bus fixed here: QEMU refuses an incoming VM whose devices sit
 * elsewhere, and the guest would see other devices. New devices get new numbers; none is ever used again for
 * another.
 */
const pciSlots = {
  gpu: 0x01,
  net: 0x02,
  disk: 0x03,
  serial: 0x04,
  balloon: 0x05,
  memory: 0x06,
  keyboard: 0x07,
  tablet: 0x08,
  rng: 0x09,
} as const;

/**
 * The arguments of qemu-system-x86_64 for this contract, filled as the machine is (not as it was configured
 * to be): that is what QEMU compares when a VM comes in.
 */
export function buildCommandLine(
  contract: MachineContract,
  filling: MachineFilling,
  environment: MachineEnvironment,
): string[] {
  return [
    'qemu-system-x86_64',
    ...machine(contract, environment),
    ...processors(contract, filling, environment),
    ...memory(contract, filling, environment),
    ...channels(environment),
    ...disk(environment),
    ...network(contract, environment),
    ...display(environment),
    ...boot(contract, environment),
  ];
}

function machine(
  contract: MachineContract,
  { name, accelerator, mark, savedState }: MachineEnvironment,
): string[] {
  return [
    // No device or setting that this list does not name: defaults differ between versions and distributions.
    '-no-user-config',
    '-nodefaults',
    '-name',
    qemuOption('', { guest: name, process: `wdock-${name}`, 'debug-threads': true }),
    '-machine',
    qemuOption(contract.machineType, {
      'memory-backend': 'base',
      vmport: accelerator === 'tcg', // a VMware back door that `auto` turns on; see `hypervisorIdentity`
      'dump-guest-core': false, // a crash must not write the guest's memory to the disk
    }),
    '-accel',
    accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi',
    '-uuid',
    contract.uuid,
    ...hypervisorIdentity(contract, accelerator),
    // The same id for a move: the guest must not think that it was cloned. It is the target's that counts.
    '-device',
    qemuOption('vmgenid', { id: 'vmgenid0', guid: contract.generationId }),
    // The real-time clock shows the present host's time after a move.
    '-rtc',
    'base=utc,clock=host',
    // QEMU parses what a guest writes into its queues: it gets no new privileges and no programs.
    '-sandbox',
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    '-msg',
    'timestamp=on',
    // An object that nobody uses, and the guest does not see.
    ...(mark === undefined ? [] : ['-object', qemuOption('secret', { id: 'mark', data: mark })]),
    ...(savedState === true ? ['-add-fd', 'fd=3,set=1'] : []),
  ];
}

/**
 * Linux 6.9 and later takes the vCPU slots that are empty at boot for unusable, unless it knows the hypervisor
 * (arch/x86/kernel/cpu/topology.c), and it knows KVM and not TCG. VMware it knows by the serial number and the back
 * door, without CPUID; so that is what an emulated machine shows, or no vCPU could ever be plugged into it.
 */
function hypervisorIdentity({ uuid }: MachineContract, accelerator: Accelerator): string[] {
  return accelerator === 'tcg' ? ['-smbios', qemuOption('', { type: 1, serial: `VMware-${uuid}` })] : [];
}

function processors(
  contract: MachineContract,
  filling: MachineFilling,
  { accelerator }: MachineEnvironment,
): string[] {
  const places = filling.pluggedVcpus.toSorted((a, b) => a - b);
  for (const place of places) {
    if (place < 1 || place >= contract.maxVcpus || places.indexOf(place) !== places.lastIndexOf(place)) {
      throw new DockError('conflict', `vCPU ${place} does not fit a machine of ${contract.maxVcpus} vCPUs`);
    }
  }
  return [
    '-cpu',
    // `enforce`: rather no start than a model with features missing. Without vmx and svm: a guest that caches
    // nested state cannot online vCPUs added after a move.
    `${contract.cpuModel},enforce=on,vmx=off,svm=off${accelerator === 'tcg' ? ',hypervisor=off' : ''}`,
    // One boot CPU always; every other is in a slot of its own, so that it can be unplugged.
    '-smp',
    `cpus=1,sockets=1,dies=1,cores=${contract.maxVcpus},threads=1,maxcpus=${contract.maxVcpus}`,
    ...places.flatMap((place) => [
      '-device',
      qemuOption(`${contract.cpuModel}-x86_64-cpu`, {
        id: `vcpu${place}`,
        'socket-id': 0,
        'die-id': 0,
        'core-id': place,
        'thread-id': 0,
      }),
    ]),
  ];
}

/**
 * What an emulated machine has more in its base memory. After a look at the dirty bitmap QEMU without KVM watches
 * the wrong pages of every memory block that begins elsewhere than at 0 and is a multiple of 256 KiB long: writes of
 * the guest are then lost in a move, or QEMU aborts (docs/decisions/0004). So the plugged memory comes first, and the
 * base is no such multiple.
 */
const emulatedExtraKiB = 64;

function memory(
  contract: MachineContract,
  filling: MachineFilling,
  { accelerator }: MachineEnvironment,
): string[] {
  const { baseMemoryMiB: base, maxPluggedMemoryMiB: range } = contract;
  const baseKiB = base * 1024 + (accelerator === 'tcg' ? emulatedExtraKiB : 0);
  if (filling.requestedPluggedMemoryMiB > range) {
    throw new DockError(
      'conflict',
      `${filling.requestedPluggedMemoryMiB} MiB of plugged memory do not fit the range of ${range} MiB`,
    );
  }
  return [
    '-m',
    `size=${baseKiB}K,maxmem=${baseKiB + range * 1024}K`,
    '-object',
    // A range far larger than the host's memory: nothing is reserved for what is not plugged.
    qemuOption('memory-backend-memfd', { id: 'plugged', size: `${range}M`, share: true, reserve: false }),
    '-object',
    qemuOption('memory-backend-memfd', { id: 'base', size: `${baseKiB}K`, share: true }),
    '-device',
    qemuOption('virtio-mem-pci', {
      id: 'vmem0',
      addr: slot('memory'),
      memdev: 'plugged',
      // The default follows the host's huge page size, and both hosts must have the same.
      'block-size': '2M',
      'requested-size': `${filling.requestedPluggedMemoryMiB}M`,
    }),
    '-object',
    'iothread,id=hints', // free-page hints are taken by a thread of their own; QEMU insists
    '-device',
    qemuOption('virtio-balloon-pci', {
      id: 'balloon0',
      addr: slot('balloon'),
      'deflate-on-oom': true, // rather a host that is short of memory than a guest that kills its programs
      'free-page-reporting': true,
      'free-page-hint': true, // saves a third of a move
      iothread: 'hints',
    }),
  ];
}

function channels({ files, extraPorts, serial }: MachineEnvironment): string[] {
  const ports = [
    { id: 'agent', name: agentPortName, path: files.agentSocket },
    ...extraPorts.map((name, index) => ({
      id: `extra${index}`,
      name,
      path: extraPortSocket(files.folder, name),
    })),
  ];
  return [
    ...unixServer('qmp', files.qmpSocket),
    '-mon',
    'chardev=qmp,mode=control',
    '-chardev',
    serial === 'none'
      ? 'null,id=serial'
      : qemuOption('file', { id: 'serial', path: files.serialLog, append: true }),
    '-device',
    'isa-serial,id=serial0,chardev=serial,index=0',
    '-device',
    // max_ports is part of the shape; the ports not used now are for later ones.
    qemuOption('virtio-serial-pci', { id: 'channels', addr: slot('serial'), max_ports: 16 }),
    ...ports.flatMap(({ id, name, path }, index) => [
      ...unixServer(id, path),
      '-device',
      // Without an id QEMU sends no VSERPORT_CHANGE for it.
      qemuOption('virtserialport', { id: `port-${id}`, bus: 'channels.0', nr: index + 1, chardev: id, name }),
    ]),
  ];
}

function disk({ files }: MachineEnvironment): string[] {
  return [
    '-blockdev',
    qemuOption('', {
      driver: 'nbd',
      'node-name': diskNodeName,
      'server.type': 'unix',
      'server.path': files.diskSocket,
      export: diskNodeName,
      'reconnect-delay': diskReconnectSeconds,
      'open-timeout': diskOpenSeconds,
      discard: 'unmap',
    }),
    '-device',
    qemuOption('virtio-blk-pci', {
      id: 'disk0',
      addr: slot('disk'),
      drive: diskNodeName,
      'num-queues': 4, // the default follows the number of boot CPUs, and the shape must not
      werror: 'stop',
      rerror: 'stop',
      bootindex: 1, // 0 is taken by `-kernel`
    }),
  ];
}

function network(contract: MachineContract, { tap, vhost }: MachineEnvironment): string[] {
  // QEMU cuts a longer name off, and makes a tap of that name.
  if (!/^[^\s/]{1,15}$/.test(tap)) {
    throw new DockError('config-invalid', `"${tap}" is no name for a network interface: 1 to 15 characters`);
  }
  return [
    '-netdev',
    qemuOption('tap', { id: 'net0', ifname: tap, script: 'no', downscript: 'no', vhost }),
    '-device',
    qemuOption('virtio-net-pci', {
      id: 'nic0',
      addr: slot('net'),
      netdev: 'net0',
      mac: contract.macAddress,
      romfile: '', // nobody boots from it, and ROMs of two distributions differ in length, which breaks a move
      // UDP segmentation needs Linux 6.2 on the host: Debian 12 has 6.1, and a VM that uses it cannot come
      // back.
      guest_uso4: false,
      guest_uso6: false,
      host_uso: false,
    }),
  ];
}

function display({ files }: MachineEnvironment): string[] {
  return [
    '-display',
    qemuOption('dbus', { addr: dbusUnixAddress(files.displayBusSocket), gl: 'off' }),
    '-device',
    // 2D: virgl cannot migrate. EDID: the guest learns the size of the host's display.
    qemuOption('virtio-gpu-pci', { id: 'gpu0', addr: slot('gpu'), edid: true, max_outputs: 1 }),
    '-device',
    qemuOption('virtio-keyboard-pci', { id: 'keyboard0', addr: slot('keyboard') }),
    '-device',
    qemuOption('virtio-tablet-pci', { id: 'tablet0', addr: slot('tablet') }),
    '-object',
    'rng-builtin,id=random',
    '-device',
    qemuOption('virtio-rng-pci', { id: 'rng0', addr: slot('rng'), rng: 'random' }),
  ];
}

function boot({ kernel }: MachineContract, environment: MachineEnvironment): string[] {
  const files = environment.kernelFiles ?? kernel;
  return [
    ...(kernel === undefined || files === undefined
      ? []
      : ['-kernel', files.image, '-initrd', files.initrd, '-append', kernel.commandLine]),
    ...(environment.incoming === 'defer' ? ['-incoming', 'defer'] : []),
    // An incoming VM runs when the hand-over says so, not when its state is there.
    ...(environment.paused || environment.incoming === 'defer' ? ['-S'] : []),
  ];
}

function unixServer(id: string, path: string): string[] {
  return ['-chardev', qemuOption('socket', { id, path, server: true, wait: false })];
}

function slot(device: keyof typeof pciSlots): string {
  return `0x${pciSlots[device].toString(16)}`;
}
