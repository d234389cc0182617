import type { LinkFrame, NumberedFrame } from './frame.ts';
import { LinkPace } from './link-pace.ts';
import type { Kept } from './send-window.ts';

/** A link in use is asked so often whether it lives; an idle one seldom, for the radio's sake, ms. */
const pingMs = 1_000;
const idlePingMs = 15_000;
/** It counts as in use so long after something came, ms. */
const inUseMs = 3_000;
/** Questions that were not answered yet; more come only from an end that breaks the protocol. */
const maxPongs = 16;
/** An answer is asked for after each such part of what may be under way. */
const answerShare = 1 / 4;

/** One link as one end of the session sees it. */
export class LinkState {
  readonly pace: LinkPace;
  /** The other end has said over this link what it has: frames may be sent on it. */
  ready = false;
  /** It is silent while another is not: it gets nothing until it is heard again. */
  suspect = false;
  /** It is to say what has arrived; the first thing that a link carries. */
  haveDue = true;
  /** Something has come over it that was not acknowledged. */
  owes = false;
  #heardAt: number;
  #usedAt: number;
  #waitingSince: number | undefined;
  #pingedAt: number | undefined;
  #ping: { readonly token: number; readonly at: number } | undefined;
  #tokens = 0;
  #unasked = 0;
  readonly #pongs: number[] = [];

  constructor(now: number) {
    this.pace = new LinkPace(now);
    this.#heardAt = now;
    this.#usedAt = now;
  }

  heard(now: number): void {
    this.#heardAt = now;
    this.suspect = false;
  }

  used(now: number): void {
    this.#usedAt = now;
  }

  /** How long it has said nothing while it should have. */
  silentMs(now: number): number {
    const waits = this.pace.underWayBytes > 0 || this.#ping !== undefined || !this.ready || this.suspect;
    if (!waits) this.#waitingSince = undefined;
    else this.#waitingSince ??= now;
    return this.#waitingSince === undefined ? 0 : now - Math.max(this.#heardAt, this.#waitingSince);
  }

  /** This process did not run for a while: the silence was its own. */
  forgive(now: number): void {
    this.#heardAt = now;
  }

  /** Whether a frame of so many bytes shall ask for an acknowledgement. */
  wantsAnswer(bytes: number, now: number): boolean {
    this.#unasked += bytes;
    if (this.#unasked < this.pace.limitBytes(now) * answerShare) return false;
    this.#unasked = 0;
    return true;
  }

  carry(frame: NumberedFrame, bytes: number, now: number): Kept {
    const { pace } = this;
    pace.sent(bytes, now);
    this.#usedAt = now;
    const { deliveredBytes: deliveredBefore, deliveredAt: deliveredAtBefore } = pace;
    return { frame, bytes, link: pace, sentAt: now, deliveredBefore, deliveredAtBefore };
  }

  asked(token: number): void {
    if (this.#pongs.length < maxPongs) this.#pongs.push(token);
  }

  ponged(token: number, now: number): void {
    if (this.#ping?.token !== token) return;
    this.pace.roundTrip(now - this.#ping.at, now);
    this.#ping = undefined;
  }

  nextPong(): LinkFrame | undefined {
    const token = this.#pongs.shift();
    return token === undefined ? undefined : { kind: 'pong', token };
  }

  nextPing(now: number): LinkFrame | undefined {
    if (this.#ping !== undefined) return undefined;
    const inUse = this.pace.underWayBytes > 0 || now - this.#usedAt < inUseMs;
    if (this.#pingedAt !== undefined && now - this.#pingedAt < (inUse ? pingMs : idlePingMs))
      return undefined;
    this.#pingedAt = now;
    this.#tokens = (this.#tokens + 1) % 0x1_0000_0000;
    this.#ping = { token: this.#tokens, at: now };
    return { kind: 'ping', token: this.#tokens };
  }
}
