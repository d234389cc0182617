import type { z } from 'zod';
import type { DeviceStatus, LinkStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { peerMethods } from '../../protocol/peer-methods.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import { formatFingerprint } from '../pairing/fingerprint.ts';
import type { Identity } from '../pairing/identity.ts';
import type { TrustedDevice, TrustStore } from '../pairing/trust-store.ts';
import type { Channels } from '../tunnel/channels.ts';
import type { DaemonConfig } from './config.ts';
import type { ControlHandlers, Peers } from './handlers.ts';
import type { WatchHub } from './watch-hub.ts';

/** How long a device may take to say who it is, ms; one that is away answers nothing at all. */
const describeLimitMs = 2_500;

type Description = z.output<(typeof peerMethods)['describe']['result']>;

export interface DirectoryParts {
  readonly config: DaemonConfig;
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly peers: Peers;
  readonly channels: Pick<Channels, 'sessions'>;
}

/** This device and the trusted ones, as users see them. */
export class DeviceDirectory {
  readonly #config: DaemonConfig;
  readonly #identity: Identity;
  readonly #trust: TrustStore;
  readonly #peers: Peers;
  readonly #channels: Pick<Channels, 'sessions'>;
  /** What each said of itself last; a class does not change while a device is away. */
  readonly #described = new Map<string, Description>();
  #presencesOf: (id: string) => readonly PresenceStatus[] = () => [];

  constructor({ config, identity, trust, peers, channels }: DirectoryParts) {
    this.#config = config;
    this.#identity = identity;
    this.#trust = trust;
    this.#peers = peers;
    this.#channels = channels;
  }

  self(): DeviceStatus {
    const { device, profile } = this.#config;
    return {
      id: this.#identity.id,
      name: device.name,
      deviceClass: device.class,
      fingerprint: formatFingerprint(this.#identity.id),
      reachable: true,
      simulated: profile !== undefined,
      self: true,
    };
  }

  /** This device first, then the others by name, each asked now whether it is there. */
  async list(signal: AbortSignal): Promise<DeviceStatus[]> {
    const others = [...this.#trust.list()].sort((a, b) => a.name.localeCompare(b.name));
    return [this.self(), ...(await Promise.all(others.map((device) => this.statusOf(device, signal))))];
  }

  async statusOf(device: TrustedDevice, signal: AbortSignal): Promise<DeviceStatus> {
    const reachable = await this.#ask(device, signal);
    return this.#status(device, reachable);
  }

  /** As far as it is known without asking. */
  known(device: TrustedDevice): DeviceStatus {
    return this.#status(device, this.#peers.isConnected(device.id));
  }

  /** From now on it is known how near a device is. @param presencesOf what says most of a device first */
  tellPresence(presencesOf: (id: string) => readonly PresenceStatus[]): void {
    this.#presencesOf = presencesOf;
  }

  /** How near a device is, for each workspace that this is about, what says most first; none where nothing here can tell. */
  presencesOf(id: string): readonly PresenceStatus[] {
    return this.#presencesOf(id);
  }

  /** Tells those who watch when a device comes and goes; each attempt to reach one that is away is no news. */
  announce(hub: WatchHub): void {
    const told = new Map<string, boolean>();
    const tell = (device: TrustedDevice, reachable: boolean) => {
      if (told.get(device.id) === reachable) return;
      told.set(device.id, reachable);
      hub.publish({ kind: 'device', at: Date.now(), status: this.#status(device, reachable) });
    };
    this.#peers.on('reachable', (device) => tell(device, true));
    this.#peers.on('unreachable', (device) => tell(device, false));
    this.#trust.on('added', (device) => tell(device, this.#peers.isConnected(device.id)));
    this.#trust.on('forgotten', (device) => told.delete(device.id));
  }

  #status(device: TrustedDevice, reachable: boolean): DeviceStatus {
    const profile = this.#described.get(device.id)?.profile;
    const [presence] = this.#presencesOf(device.id);
    const links = this.#linksOf(device.id);
    return {
      id: device.id,
      name: device.name,
      ...(profile === undefined ? {} : { deviceClass: profile.deviceClass, simulated: profile.simulated }),
      fingerprint: formatFingerprint(device.id),
      address: device.address,
      trust: device.trust,
      reachable,
      ...(presence === undefined ? {} : { presence }),
      ...(links.length === 0 ? {} : { links }),
      self: false,
    };
  }

  #linksOf(id: string): LinkStatus[] {
    const sessions = this.#channels.sessions.filter(({ names }) => names.deviceId === id);
    return sessions.flatMap((session) =>
      session.links.map(({ local, remote, roundTripMs, deliveredBytes }) => ({
        local,
        remote,
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
        carriedBytes: deliveredBytes,
      })),
    );
  }

  async #ask(device: TrustedDevice, signal: AbortSignal): Promise<boolean> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(describeLimitMs)]);
    try {
      this.#described.set(device.id, await this.#peers.call(device.id, 'describe', {}, { signal: limit }));
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const { kind } = DockError.from(error);
      // it is there when it refuses; it is not when it is silent or somebody else
      return kind !== 'peer-gone' && kind !== 'timeout' && kind !== 'untrusted';
    }
  }
}

export function deviceHandlers(
  directory: DeviceDirectory,
  identity: Identity,
  trust: TrustStore,
): ControlHandlers {
  return {
    'devices.list': async (_params, { signal }) => await directory.list(signal),
    'devices.add': async (params, { signal }) => await directory.statusOf(await trust.add(params), signal),
    'devices.trust': async ({ name, trust: level }) => directory.known(await trust.setTrust(name, level)),
    'devices.forget': async ({ name }) => {
      await trust.forget(name);
      return {};
    },
    'devices.certificate': async () => ({
      certificatePem: identity.certificatePem,
      fingerprint: formatFingerprint(identity.id),
    }),
  };
}
