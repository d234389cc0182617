import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { faultyFile } from '../../policies/positioned-yaml/fault.ts';
import { parseYaml } from '../../policies/positioned-yaml/parse-yaml.ts';
import { DeviceClass } from '../../protocol/host-profile.ts';
import { parseLoopback } from '../metrics/loopback-address.ts';
import { defaultPeerPort } from '../pairing/device-address.ts';
import { DeviceName } from '../pairing/trust-store.ts';
import { checkSocketPath } from '../tunnel/unix-socket.ts';

export const defaultConfigPath = '/etc/wireless-dock/wdockd.yaml';
/** Searched where none are named; need not be there. */
export const defaultPolicyFolder = '/etc/wireless-dock/policies';

const Path = z.string().min(1);
/** RFC 1123: what `listen` can look up. */
const hostNamePattern =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const ListenAddress = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || hostNamePattern.test(text),
    'this is neither an IP address nor a host name',
  );
const InterfaceName = z.string().regex(/^[^\s/:]{1,15}$/, 'an interface name has 1 to 15 characters');

/** Whoever may use this computer may read there, so that it is no address that others reach. */
const LoopbackListen = z.string().transform((text, context) => {
  const address = parseLoopback(text);
  if (address !== undefined) return address;
  context.addIssue({
    code: 'custom',
    message: 'metrics are for this computer only: write 127.0.0.1:PORT or [::1]:PORT',
  });
  return z.NEVER;
});

/** `wdockd.yaml`; relative paths in it are relative to its folder. See docs/wdockd.md. */
const ConfigDocument = z.strictObject({
  device: z.strictObject({
    /** What the user calls it; default: the host name up to its first dot. */
    name: DeviceName.optional(),
    class: DeviceClass,
  }),
  /** Survives a reboot: identity, trusted devices, workspaces, logs. */
  stateFolder: Path.default('/var/lib/wireless-dock'),
  /** Sockets and pid files. */
  runtimeFolder: Path.default('/run/wireless-dock'),
  /** For wdock; default: `wdockd.sock` in the runtime folder. */
  controlSocket: Path.optional(),
  /** Where other devices reach this one. `address`: default all; port 0 takes a free one. */
  listen: z
    .strictObject({
      address: ListenAddress.optional(),
      port: z.int().min(0).max(65535).default(defaultPeerPort),
    })
    .prefault({}),
  /** Folders with policy files, searched in this order, before the shipped ones. */
  policies: z.array(Path).default([defaultPolicyFolder]),
  /** Folders of kernels and initrds that machines of other people's devices may boot directly. */
  visitorKernels: z.array(Path).default(['/boot', '/usr']),
  /** A file with the profile of another computer that this one plays; then every output says `simulated`. */
  profile: Path.optional(),
  /** Folders with images that disks of virtual machines stand on; pages that are blocks of them need not travel. */
  baseImages: z.array(Path).default([]),
  /** The memory of VMs that have left, for their way back. */
  keptMemory: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** On the disk, for all workspaces. */
      maxMiB: z.int().min(1).default(8192),
    })
    .prefault({}),
  /** Pages that are sent ahead, before a VM goes. */
  warmUp: z
    .strictObject({
      /** Take them from other devices. */
      accept: z.boolean().default(true),
      /** Of one VM, on the disk of the device that takes them. */
      maxMiB: z.int().min(1).default(2048),
      /** Sent no faster than that. */
      maxMbitPerS: z.number().min(0.1).max(1_000_000).default(30),
      /** How long they are kept where the VM does not come. */
      keepDays: z.number().min(0).max(365).default(7),
    })
    .prefault({}),
  network: z
    .strictObject({
      /** Bridge for guests in bridged mode; default: the one that a wired interface is a port of. */
      bridge: InterfaceName.optional(),
      /** Interface towards the LAN in routed mode; default: the one of the default route. */
      uplink: InterfaceName.optional(),
    })
    .prefault({}),
  identity: z
    .strictObject({
      /** Whether the TPM seals the private key, where there is one. */
      tpm: z.enum(['auto', 'off']).default('auto'),
    })
    .prefault({}),
  dbus: z
    .strictObject({
      /** Offer `org.wirelessdock.Host1` on the system bus. */
      serve: z.boolean().default(true),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
  /** Prometheus metrics at `http://ADDRESS:PORT/metrics`; default: none. */
  metrics: z.strictObject({ listen: LoopbackListen }).optional(),
  tunnel: z
    .strictObject({
      /** What is under way to another device waits so long for a link to it, minutes; then it ends with an error. */
      patienceMinutes: z
        .number()
        .min(0.1)
        .max(24 * 60)
        .default(10),
    })
    .prefault({}),
  migration: z
    .strictObject({
      /** Of a move, Mbit/s; default: no limit. */
      maxBandwidthMbitPerS: z.number().min(1).max(1_000_000).optional(),
      /** How long a VM may stand still at the switch, ms. */
      downtimeLimitMs: z.int().min(1).max(10_000).default(300),
      maxDowntimeMs: z.int().min(1).max(60_000).default(3_000),
      /** A move of which nothing goes through for so long is given up, and the VM runs on where it was, ms. */
      stallLimitMs: z.int().min(10_000).max(3_600_000).default(90_000),
      /** A move that takes longer is given up, and the VM runs on where it was, minutes. */
      timeLimitMinutes: z
        .number()
        .min(0.1)
        .max(24 * 60)
        .default(60),
    })
    .refine(({ downtimeLimitMs, maxDowntimeMs }) => downtimeLimitMs <= maxDowntimeMs, {
      path: ['downtimeLimitMs'],
      message: 'this is more than maxDowntimeMs (default: 3000), up to which it may be raised',
    })
    .prefault({}),
});

export interface DaemonConfig
  extends Omit<z.output<typeof ConfigDocument>, 'device' | 'controlSocket' | 'policies' | 'profile'> {
  /** The file it came from. */
  readonly file: string;
  readonly device: { readonly name: string; readonly class: DeviceClass };
  readonly controlSocket: string;
  readonly policies: readonly string[];
  readonly profile: string | undefined;
}

/** Throws `config-invalid` with file, line and column of every mistake. */
export function parseConfig(text: string, file: string, hostName = hostname()): DaemonConfig {
  const { value, valuePosition } = parseYaml(text, file, ConfigDocument, 'the configuration');
  const folder = dirname(resolve(file));
  const absolute = (path: string) => resolve(folder, path);
  const runtimeFolder = absolute(value.runtimeFolder);
  const controlSocket = resolve(folder, value.controlSocket ?? `${runtimeFolder}/wdockd.sock`);
  try {
    checkSocketPath(controlSocket);
  } catch (error) {
    const path = value.controlSocket === undefined ? 'runtimeFolder' : 'controlSocket';
    const { message } = error as Error;
    throw faultyFile('the configuration', text, [{ file, path, message, ...valuePosition([path]) }]);
  }
  return {
    ...value,
    file,
    device: { name: value.device.name ?? hostName.split('.')[0] ?? hostName, class: value.device.class },
    stateFolder: absolute(value.stateFolder),
    runtimeFolder,
    controlSocket,
    policies: value.policies.map(absolute),
    baseImages: value.baseImages.map(absolute),
    visitorKernels: value.visitorKernels.map(absolute),
    profile: value.profile === undefined ? undefined : absolute(value.profile),
  };
}
