import type { Duplex } from 'node:stream';
import { DockError } from '../../protocol/dock-error.ts';
import type { AddressKey } from '../system/network/ip-address.ts';
import { packetAddresses } from './ip-packet.ts';
import {
  encodeAcknowledgement,
  encodeAlive,
  encodeOver,
  encodePacket,
  MessageReader,
  messageBytes,
} from './packet-frames.ts';

/** A receiver acknowledges at the latest after so many bytes, or so many ms. */
const acknowledgeBytes = 16 * 1024;
const acknowledgeMs = 20;
/** How long packets may queue on their way before new ones are dropped, ms beyond the quickest way seen. */
const maxQueueMs = 200;
/** So much may always be under way: what a TCP sender begins with (RFC 6928). */
const minWindowBytes = 16 * 1024;
/** Where nothing is acknowledged for so long the link is cut, ms. */
const silenceLimitMs = 6_000;
/** An end that has sent nothing for so long asks whether the other one is there, ms. */
const aliveEveryMs = 3_000;
const lookEveryMs = 1_000;

export interface PacketChannelOptions {
  /** Which packets the other end may send; any other ends the channel with `protocol`. */
  readonly mayReceive: (source: AddressKey, destination: AddressKey) => boolean;
  /** Which packets this end sends; any other is ignored. */
  readonly maySend: (source: AddressKey, destination: AddressKey) => boolean;
  readonly onPacket: (packet: Uint8Array) => void;
  /** The other end says that the anchor is over. */
  readonly onOver?: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/**
 * IP packets over a byte channel. Of what is sent, only as much is under way as the other end acknowledges in time:
 * more is dropped, as a full router drops it, so that the TCP connections inside see the link's speed and not a
 * queue of seconds in the sockets below.
 */
export class PacketChannel {
  /** Why it ended; undefined when one of the ends closed it. Never rejects. */
  readonly closed: Promise<DockError | undefined>;
  readonly #stream: Duplex;
  readonly #options: PacketChannelOptions;
  readonly #reader = new MessageReader();
  /** What is not acknowledged yet, oldest first: `end` counts bytes from the beginning. */
  #underWay: { readonly end: number; readonly at: number }[] = [];
  #sentBytes = 0;
  #sentAt: number;
  #acknowledgedBytes = 0;
  #receivedBytes = 0;
  #toldBytes = 0;
  /** The least time that an acknowledgement has taken; before the first one, what a very slow way takes. */
  #quickestMs = 1_000;
  #heard = false;
  #droppedPackets = 0;
  #acknowledging: NodeJS.Timeout | undefined;
  #corked = false;
  readonly #silence: NodeJS.Timeout;

  constructor(stream: Duplex, options: PacketChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#sentAt = options.now();
    const { promise, resolve } = Promise.withResolvers<DockError | undefined>();
    this.closed = promise;
    let why: DockError | undefined;
    stream.on('data', (chunk: Buffer) => {
      try {
        this.#take(chunk);
      } catch (error) {
        why ??= DockError.from(error, 'protocol');
        stream.destroy();
      }
    });
    stream.on('error', (error) => {
      why ??= DockError.from(error, 'peer-gone');
    });
    stream.on('end', () => {
      try {
        this.#reader.end();
      } catch (error) {
        why ??= DockError.from(error, 'protocol');
      }
      stream.end();
    });
    this.#silence = setInterval(() => {
      if (this.#options.now() - this.#sentAt >= aliveEveryMs) this.#send(encodeAlive());
      if (this.#oldestMs() < silenceLimitMs) return;
      why ??= new DockError('peer-gone', `nothing was acknowledged for ${silenceLimitMs / 1000} s`);
      stream.destroy();
    }, lookEveryMs).unref();
    stream.once('close', () => {
      clearInterval(this.#silence);
      clearTimeout(this.#acknowledging);
      resolve(why);
    });
  }

  get droppedPackets(): number {
    return this.#droppedPackets;
  }

  /** Payload of this channel so far, bytes. */
  get traffic(): { readonly sentBytes: number; readonly receivedBytes: number } {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
  }

  /** Sends an IP packet, or drops it where too much is under way. Throws `protocol` for what is no packet. */
  send(packet: Uint8Array): void {
    const { source, destination } = packetAddresses(packet);
    if (!this.#options.maySend(source, destination)) return;
    const waiting = this.#sentBytes - this.#acknowledgedBytes;
    if (waiting > minWindowBytes && this.#oldestMs() > maxQueueMs + this.#quickestMs) {
      this.#droppedPackets++;
      return;
    }
    this.#send(encodePacket(packet));
  }

  /** Says that the anchor is over, and closes when that is written. */
  over(): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#stream.end(encodeOver());
  }

  /** Closes at once. */
  close(): void {
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    for (const message of this.#reader.read(chunk)) {
      switch (message.kind) {
        case 'packet':
          this.#receivedBytes += messageBytes(message.packet);
          if (!this.#options.mayReceive(message.source, message.destination)) {
            throw new DockError(
              'protocol',
              `a packet from ${message.source} to ${message.destination}, which are not the anchor's addresses`,
            );
          }
          this.#options.onPacket(message.packet);
          break;
        case 'alive':
          this.#receivedBytes += encodeAlive().length;
          break;
        case 'acknowledged':
          this.#acknowledged(message.bytes);
          break;
        case 'over':
          this.#options.onOver?.();
          break;
      }
    }
    const news = this.#receivedBytes - this.#toldBytes;
    if (news >= acknowledgeBytes) this.#acknowledge();
    else if (news > 0) this.#acknowledging ??= setTimeout(() => this.#acknowledge(), acknowledgeMs).unref();
  }

  /** Not counted itself: an acknowledgement that counted would call for another. */
  #acknowledge(): void {
    clearTimeout(this.#acknowledging);
    this.#acknowledging = undefined;
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#toldBytes = this.#receivedBytes;
    this.#stream.write(encodeAcknowledgement(this.#receivedBytes));
  }

  #acknowledged(count: number): void {
    const behind = (this.#sentBytes - count) >>> 0;
    if (behind > this.#sentBytes - this.#acknowledgedBytes) {
      throw new DockError('protocol', 'an acknowledgement of bytes that were not sent');
    }
    this.#acknowledgedBytes = this.#sentBytes - behind;
    const now = this.#options.now();
    let done = 0;
    for (const { end, at } of this.#underWay) {
      if (end > this.#acknowledgedBytes) break;
      this.#quickestMs = this.#heard ? Math.min(this.#quickestMs, now - at) : now - at;
      this.#heard = true;
      done++;
    }
    this.#underWay.splice(0, done);
  }

  /** Sends what is to be acknowledged. */
  #send(message: Buffer): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#note(message.length);
    this.#write(message);
  }

  #note(bytes: number): void {
    this.#sentBytes += bytes;
    const now = this.#options.now();
    this.#sentAt = now;
    const last = this.#underWay.at(-1);
    const together = last !== undefined && now - last.at < 1;
    if (together) this.#underWay.pop();
    this.#underWay.push({ end: this.#sentBytes, at: together ? last.at : now });
  }

  /** What comes within one turn goes out as one TLS record. */
  #write(bytes: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    this.#stream.write(bytes);
  }

  #oldestMs(): number {
    const [oldest] = this.#underWay;
    return oldest === undefined ? 0 : this.#options.now() - oldest.at;
  }
}
