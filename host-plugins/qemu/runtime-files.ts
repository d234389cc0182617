import { DockError } from '../../protocol/dock-error.ts';

/**
 * Every socket and file that belongs to one workspace while it is on this device; all in one folder that only
 * the daemon may enter.
 */
export interface RuntimeFiles {
  readonly folder: string;
  /** QEMU's QMP server; its path is also what tells this QEMU from every other process. */
  readonly qmpSocket: string;
  readonly qemuPid: string;
  readonly qemuLog: string;
  /** What the guest writes on its first serial port. */
  readonly serialLog: string;
  /** The host's end of the guest agent's port. */
  readonly agentSocket: string;
  /** Where QEMU waits for the memory of an incoming VM. */
  readonly incomingSocket: string;
  /** Where the outgoing memory is taken over by the tunnel. */
  readonly outgoingSocket: string;
  /** The disk, as NBD: of the storage daemon at home, of the tunnel elsewhere. */
  readonly diskSocket: string;
  readonly storageQmpSocket: string;
  readonly storagePid: string;
  readonly storageLog: string;
  /** The private bus on which QEMU offers its display. */
  readonly displayBusSocket: string;
  readonly displayBusConfig: string;
  readonly displayBusPid: string;
  readonly displayBusLog: string;
}

export function runtimeFiles(folder: string): RuntimeFiles {
  return {
    folder,
    qmpSocket: socket(folder, 'qmp.sock'),
    qemuPid: `${folder}/qemu.pid.json`,
    qemuLog: `${folder}/qemu.log`,
    serialLog: `${folder}/serial.log`,
    agentSocket: socket(folder, 'agent.sock'),
    incomingSocket: socket(folder, 'incoming.sock'),
    outgoingSocket: socket(folder, 'outgoing.sock'),
    diskSocket: socket(folder, 'disk.sock'),
    storageQmpSocket: socket(folder, 'storage-qmp.sock'),
    storagePid: `${folder}/storage.pid.json`,
    storageLog: `${folder}/storage.log`,
    displayBusSocket: socket(folder, 'display-bus.sock'),
    displayBusConfig: `${folder}/display-bus.conf`,
    displayBusPid: `${folder}/display-bus.pid.json`,
    displayBusLog: `${folder}/display-bus.log`,
  };
}

/** The host's end of an extra port, e.g. of the lab. */
export function extraPortSocket(folder: string, portName: string): string {
  return socket(folder, `port-${portName}.sock`);
}

/**
 * `sun_path` of unix(7) has 108 bytes, the last of them 0; QEMU and the kernel refuse more, each in its own
 * words.
 */
const maxSocketPathBytes = 107;

function socket(folder: string, name: string): string {
  const path = `${folder}/${name}`;
  const bytes = encodeURIComponent(path).replace(/%[0-9A-F]{2}/g, '.').length;
  if (bytes <= maxSocketPathBytes) return path;
  throw new DockError(
    'config-invalid',
    `the socket path ${path} has ${bytes} bytes, and the system takes ${maxSocketPathBytes}; ` +
      'choose a shorter runtimeFolder or workspace name',
  );
}
