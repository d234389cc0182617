import { type Duplex, duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { TapFrames } from '../system/network/anchor/tap-frames.ts';
import type { NetworkBinding } from '../system/network/binding.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import type { ChannelRequest, Channels } from '../tunnel/channels.ts';
import { type AnchoredGuest, type GuestBytes, guestBytes } from './anchored-guest.ts';
import { frameOfPacket, isUnicast, packetOfFrame } from './ip-packet.ts';
import { answerNeighbour, readNeighbourQuestion } from './neighbour.ts';
import { PacketChannel } from './packet-channel.ts';

export interface AnchoringOptions {
  readonly channels: Channels;
  readonly network: HostNetwork;
  readonly channelName: string;
  readonly guest: AnchoredGuest;
  /** The host's interface towards the LAN of the addresses. */
  readonly uplink: string;
  readonly anchorTap: string;
  readonly pidFile: string;
  readonly logFile: string;
  /** Whether this device has the VM now, or is getting it: nobody else may carry its traffic. */
  readonly mayCarry: (deviceId: string) => boolean;
  readonly onLink: (connected: boolean, why?: DockError) => void;
  /** The carrying device says that nothing needs the addresses any more. */
  readonly onOver: () => void;
}

const reattachMs = 500;
const cleanupLimitMs = 10_000;

/**
 * The end of an anchor on the device that the guest has left: to its LAN it answers for the guest's addresses exactly
 * as where it routes to a guest (host-network.ts), only that behind the tap is not a VM but the way to the device that
 * has it (carrying-end.ts). Towards this host it plays the guest: it says that the addresses are at the guest's hardware
 * address. What comes over the channel passes the same filters as what a guest sends here.
 */
export class AnchoringEnd implements AsyncDisposable {
  readonly #options: AnchoringOptions;
  readonly #guest: GuestBytes;
  readonly #binding: NetworkBinding & { mode: 'routed' };
  readonly #offer: Disposable;
  readonly #closing = new AbortController();
  #frames: TapFrames | undefined;
  #channel: PacketChannel | undefined;
  #attaching: Promise<void> = Promise.resolve();
  #bound = false;

  /** From here on the other device may connect; nothing is changed on this host yet. */
  constructor(options: AnchoringOptions) {
    this.#options = options;
    this.#guest = guestBytes(options.guest);
    const { anchorTap: tap, uplink, guest } = options;
    this.#binding = { mode: 'routed', tap, uplink, guestAddresses: [...guest.addresses] };
    this.#offer = options.channels.accept(options.channelName, async (request) => this.#accept(request));
  }

  get connected(): boolean {
    return this.#channel !== undefined;
  }

  /** Lays all of the way that answers for nobody yet. Throws when this host cannot; then nothing is left of it. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { network, anchorTap, guest } = this.#options;
    try {
      await network.createTap(anchorTap, guest.mac, undefined, signal);
      await this.#attach(signal);
      await network.bind(this.#binding, signal);
    } catch (error) {
      await this.end(AbortSignal.timeout(cleanupLimitMs)).catch(() => undefined);
      throw error;
    }
    this.#bound = true;
    this.#attaching = this.#keepAttached();
  }

  /** Begins to answer for the addresses, after `prepare`. */
  async begin(signal: AbortSignal): Promise<void> {
    const { network, guest } = this.#options;
    if (!this.#bound) await network.bind(this.#binding, signal);
    this.#bound = true;
    await network.announce(this.#binding, guest.mac, guest.addresses, signal);
  }

  /** Answers for the addresses no more; `begin` does again. */
  async pause(signal: AbortSignal): Promise<void> {
    this.#bound = false;
    await this.#options.network.withdraw(this.#options.anchorTap, signal);
  }

  /** Answers for the addresses no more, and takes everything of the anchor off this host. */
  async end(signal: AbortSignal): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#options.network.removeTap(this.#options.anchorTap, signal);
  }

  /** Lets go: what was laid on this host stays, for a successor to go on with. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DockError('cancelled', 'the anchor is closed'));
    this.#offer[Symbol.dispose]();
    this.#channel?.close();
    await this.#frames?.[Symbol.asyncDispose]();
    await this.#attaching;
  }

  #accept({ deviceId, deviceName }: ChannelRequest): Duplex {
    if (!this.#options.mayCarry(deviceId)) {
      throw new DockError(
        'conflict',
        `"${deviceName}" does not have the guest whose addresses are kept here`,
      );
    }
    const [outside, inside] = duplexPair();
    this.#channel?.close(); // a device opens a second one only after it has lost the first
    const channel = new PacketChannel(inside, {
      maySend: (_source, destination) => this.#guest.addresses.has(destination),
      mayReceive: (source, destination) => this.#guest.addresses.has(source) && isUnicast(destination),
      onPacket: (packet) => this.#frames?.send(frameOfPacket(packet, this.#guest.hostMac, this.#guest.mac)),
      onOver: this.#options.onOver,
      now: () => performance.now(),
    });
    this.#channel = channel;
    this.#options.onLink(true);
    void channel.closed.then((why) => {
      outside.destroy();
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      if (!this.#closing.signal.aborted) this.#options.onLink(false, why);
    });
    return outside;
  }

  async #attach(signal: AbortSignal): Promise<void> {
    const { anchorTap: tap, pidFile, logFile } = this.#options;
    await this.#frames?.[Symbol.asyncDispose]();
    const onFrame = (frame: Uint8Array): void => this.#fromHost(frame);
    this.#frames = await TapFrames.open({ tap, pidFile, logFile, onFrame }, signal);
  }

  #fromHost(frame: Uint8Array): void {
    const question = readNeighbourQuestion(frame);
    if (question !== undefined) {
      if (this.#guest.addresses.has(question.target))
        this.#frames?.send(answerNeighbour(question, this.#guest.mac));
      return;
    }
    const packet = packetOfFrame(frame);
    if (packet !== undefined) this.#channel?.send(packet);
  }

  /** socat can be ended by others; without it nothing is carried. */
  async #keepAttached(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#frames?.ended;
      if (signal.aborted) return;
      await delay(reattachMs, undefined, { signal, ref: false }).catch(() => undefined);
      await this.#attach(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#options.onLink(false, DockError.from(error));
      });
    }
  }
}
