/** What may wait in front of a link beyond what its way holds, ms: what is urgent waits so long. */
const queueMs = 30;
/** So much may be under way on a link that was not measured yet, bytes. */
const firstUnderWayBytes = 192 * 1024;
const minUnderWayBytes = 64 * 1024;
const maxUnderWayBytes = 4 * 1024 * 1024;
/** The best of one to two of these counts: a dip does not halve what is tried, and a link that got slow is found out. */
const rateSpanMs = 1_000;
const roundTripSpanMs = 10_000;
/** Once in such a span the queue is let run out for a moment, or its own wait would be taken for the way's, ms. */
const drainMs = 100;
/** Before one was measured, ms. */
const firstRoundTripMs = 20;

/**
 * How much may be under way on one link: what it really carries in a round trip, and a short queue so that it never
 * runs dry. The kernel would take seconds of it, and then nothing overtakes any more, nor goes to another link.
 * Times are milliseconds of a clock that never goes back.
 */
export class LinkPace {
  #underWay = 0;
  #delivered = 0;
  #deliveredAt = 0;
  readonly #rate = new Best(rateSpanMs, (a, b) => Math.max(a, b));
  readonly #roundTrip = new Best(roundTripSpanMs, (a, b) => Math.min(a, b));
  #drainedAt: number;

  constructor(now: number) {
    this.#drainedAt = now;
  }

  get underWayBytes(): number {
    return this.#underWay;
  }

  get deliveredBytes(): number {
    return this.#delivered;
  }

  /** When the last of `deliveredBytes` was acknowledged. */
  get deliveredAt(): number {
    return this.#deliveredAt;
  }

  get rateBytesPerS(): number {
    return (this.#rate.value ?? 0) * 1_000;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTrip.value;
  }

  limitBytes(now: number): number {
    if (this.#rate.value === undefined) return firstUnderWayBytes;
    if (now - this.#drainedAt > roundTripSpanMs) this.#drainedAt = now;
    const drains = now - this.#drainedAt < drainMs;
    const span = (this.#roundTrip.value ?? firstRoundTripMs) + (drains ? 0 : queueMs);
    return Math.min(maxUnderWayBytes, Math.max(minUnderWayBytes, this.#rate.value * span));
  }

  hasRoom(now: number): boolean {
    return this.#underWay < this.limitBytes(now);
  }

  sent(bytes: number, now: number): void {
    // What was idle begins to count anew: the pause says nothing about the link.
    if (this.#underWay === 0) this.#deliveredAt = now;
    this.#underWay += bytes;
  }

  /** Something that was sent on it at `sentAt`, when it had delivered so much, has arrived. */
  delivered(
    what: { bytes: number; sentAt: number; deliveredBefore: number; deliveredAtBefore: number },
    now: number,
  ): void {
    this.#underWay -= what.bytes;
    this.#delivered += what.bytes;
    this.#deliveredAt = now;
    const passed = now - what.deliveredAtBefore;
    if (passed > 0) this.#rate.add((this.#delivered - what.deliveredBefore) / passed, now);
  }

  roundTrip(ms: number, now: number): void {
    this.#roundTrip.add(ms, now);
  }

  /** All that was under way goes elsewhere. */
  emptied(): void {
    this.#underWay = 0;
  }
}

/** The best value of the last one to two spans. */
class Best {
  readonly #spanMs: number;
  readonly #better: (a: number, b: number) => number;
  #since = 0;
  #before: number | undefined;
  #now: number | undefined;

  constructor(spanMs: number, better: (a: number, b: number) => number) {
    this.#spanMs = spanMs;
    this.#better = better;
  }

  get value(): number | undefined {
    if (this.#before === undefined) return this.#now;
    return this.#now === undefined ? this.#before : this.#better(this.#before, this.#now);
  }

  add(value: number, now: number): void {
    if (now - this.#since > this.#spanMs) {
      this.#before = this.#now;
      this.#now = undefined;
      this.#since = now;
    }
    this.#now = this.#now === undefined ? value : this.#better(this.#now, value);
  }
}
