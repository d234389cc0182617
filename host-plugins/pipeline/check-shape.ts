import type { z } from 'zod';
import type { controlMethods } from '../../protocol/control-methods.ts';
import { MachineContract } from '../../protocol/workspace.ts';
import { addressKey, withoutPrefix } from '../system/network/ip-address.ts';
import { defaultBaseMemoryMiB } from '../workspace/typical-contract.ts';
import type { WrongOption } from './wrong-option.ts';

export type CreateParams = z.output<(typeof controlMethods)['workspace.create']['params']>;

/** SeaBIOS and a Linux kernel need about this much, MiB. */
const leastBaseMemoryMiB = 128;
/** Below the 40 address bits of the CPU models, 1 TiB, there have to be the holes of the PC, too. */
const mostPluggedMemoryMiB = 512 * 1024;
/** virtio-mem plugs blocks of this size, MiB. */
const pluggedBlockMiB = 2;
const mostVcpus = 288;
/** COMMAND_LINE_SIZE of Linux on x86 is 2048, with the 0 at its end; the rest would be cut off without a word. */
const mostCommandLineBytes = 2047;

/** The wishes in which neither this host nor a file has a say; hexadecimal digits become lower case. */
export function checkShape(
  params: CreateParams,
  hostMemoryMiB: number,
): { readonly wrong: WrongOption[]; readonly params: CreateParams } {
  const { baseMemoryMiB = defaultBaseMemoryMiB, maxPluggedMemoryMiB, maxVcpus, kernel } = params;
  const macAddress = params.macAddress?.toLowerCase();
  const uuid = params.uuid?.toLowerCase();
  const wrong: WrongOption[] = [];
  const check = (option: string, message: string | undefined): void => {
    if (message !== undefined) wrong.push({ option, message });
  };
  check(
    '--base-memory',
    outside(baseMemoryMiB, leastBaseMemoryMiB, hostMemoryMiB, 'MiB, all that this device has'),
  );
  if (maxPluggedMemoryMiB !== undefined)
    check('--max-plugged-memory', wrongPluggedMemory(maxPluggedMemoryMiB));
  if (maxVcpus !== undefined) check('--max-vcpus', outside(maxVcpus, 1, mostVcpus, 'vCPUs'));
  if (macAddress !== undefined) check('--mac', wrongMac(macAddress));
  if (uuid !== undefined && !MachineContract.shape.uuid.safeParse(uuid).success) {
    check('--uuid', `"${shown(uuid)}" is no UUID such as 6f1c0c5e-5a0f-4c38-9d0a-3d2b8f4e7a11 (RFC 9562)`);
  }
  if (kernel !== undefined) check('--append', wrongCommandLine(kernel.commandLine));
  for (const address of params.guestAddresses ?? []) check('--address', wrongAddress(address));
  return {
    wrong,
    params: {
      ...params,
      ...(macAddress === undefined ? {} : { macAddress }),
      ...(uuid === undefined ? {} : { uuid }),
    },
  };
}

function outside(value: number, least: number, most: number, unit: string): string | undefined {
  return value >= least && value <= most ? undefined : `${value} is not within ${least} to ${most} ${unit}`;
}

function wrongPluggedMemory(value: number): string | undefined {
  return (
    outside(value, pluggedBlockMiB, mostPluggedMemoryMiB, 'MiB') ??
    (value % pluggedBlockMiB === 0 ? undefined : `${value} is no multiple of ${pluggedBlockMiB} MiB`)
  );
}

function wrongMac(mac: string): string | undefined {
  if (!MachineContract.shape.macAddress.safeParse(mac).success) {
    return `"${shown(mac)}" is no hardware address such as 52:54:00:12:34:56`;
  }
  if (mac === '00:00:00:00:00:00') return `${mac} is nobody's address`;
  // IEEE 802: the lowest bit of the first byte.
  return Number.parseInt(mac.slice(0, 2), 16) % 2 === 0
    ? undefined
    : `${mac} is a group's address; one interface's has an even first byte, such as 52`;
}

function wrongCommandLine(text: string): string | undefined {
  if (text.includes('\0')) return 'has a zero byte in it';
  const bytes = Buffer.byteLength(text);
  return bytes <= mostCommandLineBytes
    ? undefined
    : `has ${bytes} bytes, and a kernel takes ${mostCommandLineBytes}`;
}

function wrongAddress(text: string): string | undefined {
  const [address, length, ...rest] = text.split('/');
  const key = addressKey(withoutPrefix(text));
  if (address === undefined || key === undefined || rest.length > 0) {
    return `"${shown(text)}" is no IP address with its prefix length, such as 192.0.2.7/24`;
  }
  const bits = key.length * 4;
  if (length === undefined)
    return `${address} lacks its prefix length: ${address}/${bits === 32 ? 24 : 64}, for example`;
  if (!/^\d{1,3}$/.test(length) || Number(length) < 1 || Number(length) > bits) {
    return `${address} has the prefix length "${shown(length)}"; it is 1 to ${bits}`;
  }
  return isOfNoHost(key) ? `${address} can be no host's address` : undefined;
}

/** Unspecified, loopback, multicast and broadcast. */
function isOfNoHost(key: string): boolean {
  if (key.length === 8) {
    const first = Number.parseInt(key.slice(0, 2), 16);
    return first === 0 || first === 127 || first >= 224;
  }
  return key.startsWith('ff') || /^0{31}[01]$/.test(key);
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
