/** One ping and what became of it. */
export interface Beat {
  /** Undefined where the answer did not come before the next ping was due. */
  readonly rttMs: number | undefined;
  /** Of the last pings, the share without an answer in time, 0 to 1. */
  readonly lossShare: number;
}

/** Pings that `lossShare` is about. */
const remembered = 8;

/** The round trips of a connection's pings, of which one is under way at a time. Its times are of any clock, ms. */
export class RoundTrips {
  readonly #answered: boolean[] = [];
  #number = 0;
  #sentAt: number | undefined;

  /** A ping is sent now: its payload, and the beat of the one before where that was not answered. */
  sent(at: number): { payload: string; missed: Beat | undefined } {
    const missed = this.#sentAt === undefined ? undefined : this.#beat(undefined);
    this.#sentAt = at;
    this.#number++;
    return { payload: String(this.#number), missed };
  }

  /** An answer came now; undefined where it is not that of the last ping. */
  answered(payload: string, at: number): Beat | undefined {
    if (this.#sentAt === undefined || payload !== String(this.#number)) return undefined;
    const rttMs = at - this.#sentAt;
    this.#sentAt = undefined;
    return this.#beat(rttMs);
  }

  #beat(rttMs: number | undefined): Beat {
    this.#answered.push(rttMs !== undefined);
    if (this.#answered.length > remembered) this.#answered.shift();
    const lost = this.#answered.filter((answered) => !answered).length;
    return { rttMs, lossShare: lost / this.#answered.length };
  }
}
