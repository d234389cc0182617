import { EventEmitter } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import { TrustLevel } from '../../protocol/trust-level.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';
import { AddressHints } from './address-hints.ts';
import { formatDeviceAddress, parseDeviceAddress } from './device-address.ts';
import {
  type DeviceId,
  deviceIdOf,
  formatFingerprint,
  parseCertificate,
  parseFingerprint,
} from './fingerprint.ts';

export const DeviceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    'a device name has 1 to 63 letters, digits, dots, hyphens and underscores, and begins with a letter or digit',
  );

export const TrustedDevice = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name: DeviceName,
  certificatePem: z.string(),
  /** `host` or `host:port`; see device-address.ts. */
  address: z.string(),
  trust: TrustLevel.default('known'),
  /** Its user knows what a kiosk can do to a VM, and docks there all the same. */
  riskAccepted: z.literal(true).optional(),
});
export type TrustedDevice = z.infer<typeof TrustedDevice>;

const TrustFile = z.strictObject({ format: z.literal(1), devices: z.array(TrustedDevice) });

/** A device to be trusted, as the user gives it. */
export interface DeviceImport {
  readonly name: string;
  readonly certificatePem: string;
  /** Compared by the user on the other device's screen. */
  readonly fingerprint: string;
  readonly address: string;
  /** Default: as before, and `known` for a new device. */
  readonly trust?: TrustLevel | undefined;
}

/**
 * The devices that this one trusts, in `devices.json`. A change is on the disk before it counts. Emits `forgotten`
 * before `forget` returns, so that whoever holds a connection closes it; `changed` is another level of trust.
 */
export class TrustStore extends EventEmitter<{
  added: [TrustedDevice];
  changed: [TrustedDevice];
  forgotten: [TrustedDevice];
}> {
  /** Where devices were heard just now, besides the addresses that they were given. */
  readonly hints = new AddressHints();
  readonly #path: string;
  readonly #self: DeviceId;
  #devices: readonly TrustedDevice[];
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(path: string, self: DeviceId, devices: readonly TrustedDevice[]) {
    super();
    this.#path = path;
    this.#self = self;
    this.#devices = devices;
  }

  /** Throws `config-invalid` when the file is there and cannot be understood; it is never overwritten then. */
  static async load(path: string, self: DeviceId): Promise<TrustStore> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new TrustStore(path, self, []);
      throw new DockError('io', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
    }
    try {
      const { devices } = TrustFile.parse(JSON.parse(text));
      for (const device of devices) {
        if (deviceIdOf(parseCertificate(device.certificatePem)) !== device.id) {
          throw new Error(`the certificate of "${device.name}" is not the one of its id`);
        }
      }
      return new TrustStore(path, self, devices);
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
      throw new DockError(
        'config-invalid',
        `${path} is damaged: ${why}; put back a copy of it, or move it away and add the devices again`,
        { cause: error },
      );
    }
  }

  list(): readonly TrustedDevice[] {
    return this.#devices;
  }

  byId(id: DeviceId): TrustedDevice | undefined {
    return this.#devices.find((device) => device.id === id);
  }

  /** By name, or by the whole id or fingerprint. Throws `not-found`. */
  find(nameOrId: string): TrustedDevice {
    const id = parseFingerprint(nameOrId);
    const found = this.#devices.find((device) => device.name === nameOrId || device.id === id);
    if (found !== undefined) return found;
    const names = this.#devices.map((device) => device.name).join(', ');
    throw new DockError(
      'not-found',
      `no device "${nameOrId.slice(0, 80)}" is known here; known: ${names === '' ? 'none' : names} (\`wdock devices\`)`,
    );
  }

  /**
   * Trusts a certificate whose fingerprint is the one that the user compared. A device that is known already gets
   * the new name and address. Throws `untrusted` when the fingerprint does not match, `conflict` when the name
   * belongs to another device, `usage` for what cannot be understood.
   */
  async add(wish: DeviceImport): Promise<TrustedDevice> {
    const name = parseDeviceName(wish.name);
    const address = formatDeviceAddress(parseDeviceAddress(wish.address));
    const expected = parseFingerprint(wish.fingerprint);
    if (expected === undefined) {
      throw new DockError(
        'usage',
        'the fingerprint is not one: 64 hex digits, with or without colons, as `wdock devices certificate` prints it on the other device',
      );
    }
    const id = deviceIdOf(parseCertificate(wish.certificatePem));
    if (id !== expected) {
      throw new DockError(
        'untrusted',
        `the certificate has the fingerprint ${formatFingerprint(id)}, not the one given; somebody may have exchanged it: compare it again on the screen of "${name}"`,
      );
    }
    if (id === this.#self) throw new DockError('conflict', 'this is the certificate of this very device');
    const { certificatePem } = wish;
    let device: TrustedDevice = { id, name, certificatePem, address, trust: 'known' };
    await this.#change((devices) => {
      refuseTakenName(devices, device.name, id);
      const before = devices.find((other) => other.id === id);
      device = withTrust({ ...before, ...device }, wish.trust ?? before?.trust ?? 'known');
      return [...devices.filter((other) => other.id !== id), device];
    });
    this.emit('added', device);
    return device;
  }

  /** Throws `usage` and `conflict` as `add` would for this name. */
  checkName(name: string, id: DeviceId): void {
    refuseTakenName(this.#devices, parseDeviceName(name), id);
  }

  /** Throws `not-found`. */
  async setTrust(nameOrId: string, trust: TrustLevel): Promise<TrustedDevice> {
    const { id } = this.find(nameOrId);
    await this.#change((devices) =>
      devices.map((device) => (device.id === id ? withTrust(device, trust) : device)),
    );
    const device = this.find(id);
    this.emit('changed', device);
    return device;
  }

  /** Its user has read what a kiosk can do. Forgotten with the device, and when it is no kiosk any more. Throws `not-found`. */
  async acceptRisk(nameOrId: string): Promise<void> {
    const { id } = this.find(nameOrId);
    await this.#change((devices) =>
      devices.map((device) => (device.id === id ? { ...device, riskAccepted: true } : device)),
    );
  }

  /** Throws `not-found`. */
  async forget(nameOrId: string): Promise<TrustedDevice> {
    const device = this.find(nameOrId);
    await this.#change((devices) => devices.filter((other) => other.id !== device.id));
    this.emit('forgotten', device);
    return device;
  }

  /** One change at a time: read, write to the disk, then let it count. */
  async #change(next: (devices: readonly TrustedDevice[]) => readonly TrustedDevice[]): Promise<void> {
    const change = this.#writing.then(async () => {
      const devices = next(this.#devices);
      const text = `${JSON.stringify({ format: 1, devices }, undefined, 2)}\n`;
      try {
        await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
        await writeFileDurably(this.#path, text);
      } catch (error) {
        throw new DockError('io', `${this.#path} cannot be written: ${(error as Error).message}`, {
          cause: error,
        });
      }
      this.#devices = devices;
    });
    this.#writing = change.catch(() => undefined);
    await change;
  }
}

function withTrust({ riskAccepted, ...device }: TrustedDevice, trust: TrustLevel): TrustedDevice {
  const accepted = riskAccepted === true && trust === 'kiosk';
  return { ...device, trust, ...(accepted ? { riskAccepted } : {}) };
}

/** Throws `usage`. */
export function parseDeviceName(text: string): string {
  const name = DeviceName.safeParse(text);
  if (name.success) return name.data;
  throw new DockError('usage', `"${text.slice(0, 80)}": ${name.error.issues[0]?.message}`);
}

function refuseTakenName(devices: readonly TrustedDevice[], name: string, id: DeviceId): void {
  const holder = devices.find((other) => other.name === name && other.id !== id);
  if (holder === undefined) return;
  throw new DockError(
    'conflict',
    `another device is called "${name}" (${formatFingerprint(holder.id)}); choose another name, or \`wdock devices forget ${name}\` first`,
  );
}
