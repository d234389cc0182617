import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { buildCarryingRemoval, buildCarryingRules } from '../system/network/anchor/carrying-rules.ts';
import { TapFrames } from '../system/network/anchor/tap-frames.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { nft } from '../system/network/ip-command.ts';
import type { Channels } from '../tunnel/channels.ts';
import { type AnchoredGuest, type GuestBytes, guestBytes } from './anchored-guest.ts';
import { frameOfPacket, isUnicast, packetOfFrame } from './ip-packet.ts';
import { answerNeighbour, readNeighbourQuestion } from './neighbour.ts';
import { PacketChannel } from './packet-channel.ts';
import { PatientAnswers } from './patient-answers.ts';

/** How the traffic of an anchor goes at this moment. */
export type AnchorLink =
  | { readonly state: 'connected' }
  | { readonly state: 'connecting'; readonly why?: string };

export interface CarryingOptions {
  readonly channels: Channels;
  readonly network: HostNetwork;
  /** The device that keeps the addresses. */
  readonly deviceId: string;
  readonly channelName: string;
  readonly guest: AnchoredGuest;
  /** The VM's tap on this host. */
  readonly guestTap: string;
  readonly anchorTap: string;
  readonly pidFile: string;
  readonly logFile: string;
  /** Nobody but this host answers the guest's neighbour questions: it is behind a host that routes. */
  readonly answerAtOnce: boolean;
  readonly onLink: (link: AnchorLink) => void;
  /** The other device keeps the addresses no more. */
  readonly onOver: () => void;
}

/** Waits between attempts to reach the other device, ms. */
const backOffMs = [100, 250, 500, 1_000, 2_000, 5_000] as const;
const openLimitMs = 10_000;

/**
 * The end of an anchor on the device that has the guest: takes off what the guest sends from its old addresses, and
 * carries it to the device that keeps them (anchoring-end.ts), and back. A lost link is opened again for as long as
 * the anchor lasts; the addresses stay with the guest meanwhile.
 */
export class CarryingEnd implements AsyncDisposable {
  readonly #options: CarryingOptions;
  readonly #guest: GuestBytes;
  readonly #answers = new PatientAnswers();
  readonly #closing = new AbortController();
  #frames: TapFrames | undefined;
  #channel: PacketChannel | undefined;
  #link: AnchorLink = { state: 'connecting' };
  /** The other device does not offer the channel: it is over there. */
  #refused = false;
  #carrying: Promise<void> = Promise.resolve();

  private constructor(options: CarryingOptions) {
    this.#options = options;
    this.#guest = guestBytes(options.guest);
  }

  /** Lays the way on this host, and begins to connect. When it throws nothing is left; idempotent after a crash. */
  static async lay(options: CarryingOptions, signal: AbortSignal): Promise<CarryingEnd> {
    const end = new CarryingEnd(options);
    try {
      await options.network.createTap(options.anchorTap, options.guest.mac, undefined, signal);
      await end.#attach(signal);
      const { addresses } = options.guest;
      const rules = buildCarryingRules({
        guestTap: options.guestTap,
        anchorTap: options.anchorTap,
        ipv4: addresses.filter((address) => !address.includes(':')),
        ipv6: addresses.filter((address) => address.includes(':')),
      });
      await nft(rules, signal);
    } catch (error) {
      await end[Symbol.asyncDispose]();
      await removeCarrying(options, AbortSignal.timeout(openLimitMs)).catch(() => undefined);
      throw error;
    }
    end.#carrying = Promise.all([end.#keepConnected(), end.#keepAttached()]).then(() => undefined);
    return end;
  }

  get link(): AnchorLink {
    return this.#link;
  }

  /** The anchor is over: the other device is told, waiting for a link for as long as the signal lets; then all goes. */
  async finish(signal: AbortSignal): Promise<void> {
    await removeRules(this.#options, AbortSignal.timeout(openLimitMs));
    for (let attempt = 0; this.#channel === undefined && !this.#refused && !signal.aborted; attempt++) {
      await this.#pause(attempt, signal);
    }
    const channel = this.#channel;
    channel?.over();
    await Promise.race([channel?.closed, delay(openLimitMs, undefined, { signal }).catch(() => undefined)]);
    await this[Symbol.asyncDispose]();
    await this.#options.network.removeTap(this.#options.anchorTap, AbortSignal.timeout(openLimitMs));
  }

  /** Lets go: what was laid on this host stays, for a successor to go on with. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DockError('cancelled', 'the anchor is closed'));
    this.#channel?.close();
    await this.#frames?.[Symbol.asyncDispose]();
    await this.#carrying;
  }

  async #attach(signal: AbortSignal): Promise<void> {
    const { anchorTap: tap, pidFile, logFile } = this.#options;
    const onFrame = (frame: Uint8Array): void => this.#fromGuest(frame);
    this.#frames = await TapFrames.open({ tap, pidFile, logFile, onFrame }, signal);
  }

  #fromGuest(frame: Uint8Array): void {
    const question = readNeighbourQuestion(frame);
    if (question !== undefined && this.#guest.addresses.has(question.asker)) {
      const answer =
        this.#options.answerAtOnce || this.#answers.shouldAnswer(question, performance.now())
          ? answerNeighbour(question, this.#guest.hostMac)
          : undefined;
      if (answer !== undefined) this.#frames?.send(answer);
      return;
    }
    const packet = packetOfFrame(frame);
    if (packet !== undefined) this.#channel?.send(packet);
  }

  async #keepConnected(): Promise<void> {
    const { channels, deviceId, channelName } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      let why: DockError | undefined;
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(openLimitMs)]);
        const { stream } = await channels.open(deviceId, channelName, limit);
        const channel = new PacketChannel(stream, {
          maySend: (source, destination) => this.#guest.addresses.has(source) && isUnicast(destination),
          mayReceive: (_source, destination) => this.#guest.addresses.has(destination),
          onPacket: (packet) =>
            this.#frames?.send(frameOfPacket(packet, this.#guest.mac, this.#guest.hostMac)),
          now: () => performance.now(),
        });
        if (signal.aborted) channel.close();
        this.#channel = channel;
        this.#report({ state: 'connected' });
        failures = 0;
        why = await channel.closed;
      } catch (error) {
        why = DockError.from(error, 'peer-gone');
      }
      this.#channel = undefined;
      if (signal.aborted) return;
      if (why?.kind === 'peer-refused' && why.detail?.['kind'] === 'not-found') {
        this.#refused = true;
        this.#options.onOver();
        return;
      }
      this.#report({ state: 'connecting', ...(why === undefined ? {} : { why: why.message }) });
      await this.#pause(failures, signal);
    }
  }

  /** socat can be ended by others; without it nothing is carried. */
  async #keepAttached(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      await this.#frames?.ended;
      if (signal.aborted) return;
      await this.#pause(failures, signal);
      await this.#attach(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#report({ state: 'connecting', why: DockError.from(error).message });
      });
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const waitMs = backOffMs[Math.min(failures, backOffMs.length - 1)] ?? 0;
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  }

  #report(link: AnchorLink): void {
    this.#link = link;
    this.#options.onLink(link);
  }
}

/** Takes away what an earlier life of wdockd may have left of a carrying end. Nothing there is no error. */
export async function removeCarrying(
  options: Pick<CarryingOptions, 'network' | 'anchorTap'>,
  signal: AbortSignal,
): Promise<void> {
  await removeRules(options, signal);
  await options.network.removeTap(options.anchorTap, signal);
}

async function removeRules(
  { anchorTap }: Pick<CarryingOptions, 'anchorTap'>,
  signal: AbortSignal,
): Promise<void> {
  await nft(buildCarryingRemoval(anchorTap), signal);
}
