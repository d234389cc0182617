import type { Check } from '../../../protocol/control-methods.ts';
import type { DeviceId } from '../../pairing/fingerprint.ts';
import type { PeerBeat } from '../../pairing/peer-connections.ts';
import type { TrustedDevice, TrustStore } from '../../pairing/trust-store.ts';
import { watchKernelNetwork } from '../../system/network/kernel-news.ts';
import type { Observation } from '../observation.ts';
import type { CheckedSource } from './checked-source.ts';
import type { PlayedHost } from './played-host.ts';
import { readWay, type Way } from './read-way.ts';
import { readSignalDbm } from './wifi-signal.ts';

/** What is needed of `PeerConnections`. */
export interface MeasuredPeers {
  isConnected(deviceId: DeviceId): boolean;
  hold(deviceId: DeviceId): Disposable;
  connect(deviceId: DeviceId, signal: AbortSignal): Promise<unknown>;
  on(event: 'beat', listener: (device: TrustedDevice, beat: PeerBeat) => void): unknown;
  on(event: 'reachable' | 'unreachable', listener: (device: TrustedDevice) => void): unknown;
  off(event: 'beat', listener: (device: TrustedDevice, beat: PeerBeat) => void): unknown;
  off(event: 'reachable' | 'unreachable', listener: (device: TrustedDevice) => void): unknown;
}

export interface LinkSettings {
  readonly peers: MeasuredPeers;
  readonly trust: TrustStore;
  /** Where this device plays another one: then that one's kinds of links count. */
  readonly plays: PlayedHost | undefined;
  /** How often a device that is not heard is tried at its address, ms. */
  readonly tryEveryMs?: number;
}

/** One attempt is a packet or a few; where multicast passes, it is heard long before. */
const defaultTryEveryMs = 30_000;

/**
 * How good the link with each paired device is, by the heartbeats of the connection with it. A device that is heard, or
 * answers, is kept connected for that; others are tried now and then, for announcements do not pass every network.
 */
export class LinkSource implements CheckedSource {
  readonly name = 'links';
  readonly #settings: LinkSettings;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
  }

  async observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void> {
    const { peers, trust, plays, tryEveryMs = defaultTryEveryMs } = this.#settings;
    await using ends = new AsyncDisposableStack();
    const ways = new Map<string, Promise<Way>>();
    const measured = new Set<DeviceId>();
    const held = new Map<DeviceId, Disposable>();
    ends.defer(() => {
      for (const hold of held.values()) hold[Symbol.dispose]();
    });
    const wayTo = (address: string): Promise<Way> => {
      const known = ways.get(address);
      if (known !== undefined) return known;
      const way = readWay(address, plays, signal);
      ways.set(address, way);
      return way;
    };
    const beat = async (device: TrustedDevice, { rttMs, lossShare, remoteAddress }: PeerBeat) => {
      const { medium, interfaceName } = await wayTo(remoteAddress);
      const signalDbm = medium === 'wifi' ? await readSignalDbm(interfaceName, signal) : undefined;
      if (signal.aborted || !peers.isConnected(device.id)) return;
      measured.add(device.id);
      told({ kind: 'link', device: device.id, medium, rttMs, lossShare, signalDbm });
    };
    const keep = (id: DeviceId) => {
      const wanted = trust.byId(id) !== undefined && (peers.isConnected(id) || trust.hints.of(id).length > 0);
      if (wanted && !held.has(id)) held.set(id, peers.hold(id));
      if (wanted) return;
      held.get(id)?.[Symbol.dispose]();
      held.delete(id);
    };
    const lost = ({ id }: TrustedDevice) => {
      keep(id);
      if (measured.delete(id)) told({ kind: 'link-lost', device: id });
    };
    const onBeat = (device: TrustedDevice, news: PeerBeat) => void beat(device, news).catch(() => undefined);
    const found = ({ id }: TrustedDevice) => keep(id);
    const tryAll = () => {
      for (const { id } of trust.list()) peers.connect(id, signal).catch(() => undefined);
    };
    peers.on('beat', onBeat);
    peers.on('reachable', found);
    peers.on('unreachable', lost);
    trust.on('added', found).on('forgotten', lost);
    trust.hints.on('changed', keep);
    const timer = setInterval(tryAll, tryEveryMs);
    ends.defer(() => {
      clearInterval(timer);
      peers.off('beat', onBeat);
      peers.off('reachable', found);
      peers.off('unreachable', lost);
      trust.off('added', found).off('forgotten', lost);
      trust.hints.off('changed', keep);
    });
    for (const { id } of trust.list()) keep(id);
    tryAll();
    await watchKernelNetwork(['link', 'route'], () => ways.clear(), signal);
  }

  async check(): Promise<Check> {
    const { peers, trust } = this.#settings;
    const { name } = this;
    const connected = trust.list().filter(({ id }) => peers.isConnected(id));
    const names = connected.map((device) => device.name).join(', ');
    return {
      name,
      state: 'ok',
      detail: names === '' ? 'no paired device is connected now' : `connected: ${names}`,
    };
  }
}
