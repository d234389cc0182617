/** How far a move has come, in bytes that grow. */
export interface Carried {
  readonly atMs: number;
  /** What QEMU has written. */
  readonly streamBytes: number;
  /** What of it has gone over the link, where that is not the same. */
  readonly wireBytes: number;
  /** What the link carries, bytes a second, where whoever fills it measures that. */
  readonly carriesBytesPerS: number | undefined;
  /** There was something to send all the time since the look before. */
  readonly busy: boolean;
}

/** One measurement: long enough for what lies in buffers to even out, ms. */
const windowMs = 1_500;
/** The past that still tells something about the link, ms. */
const memoryMs = 30_000;
/** Of the measurements, from the least up: dips are below it, and bursts into empty buffers above. */
const quantile = 0.75;
/** Carrying less than this share of what it sustains, a link is in a dip. */
const dipShare = 0.5;
/** So much of what the guest writes anew has to have gone before its cost is known, bytes on the wire. */
const tellingBytes = 64 * 1024;
/** Before that: pages that were written just now are seldom known over there, and shrink to less than this. */
const untoldExpansion = 1.5;
/** What compresses better was luck: the last pages need not. */
const maxExpansion = 4;

/**
 * What the link between two devices sustains, and what it carries just now. A dip of a radio is shorter than a move, and says
 * nothing about the rest of it; a burst is what buffers swallow, and says nothing about the link at all.
 */
export class LinkMeter {
  readonly #looks: Carried[] = [];
  readonly #rates: { readonly atMs: number; readonly bytesPerS: number }[] = [];
  #anew: { readonly stream: number; readonly wire: number } | undefined;
  #expansion: number | undefined;
  readonly #assumed: number | undefined;

  /** @param assumedBytesPerS until it is measured */
  constructor(assumedBytesPerS?: number) {
    this.#assumed = assumedBytesPerS;
  }

  /** @param resending what goes now was sent before and is sent again, for the guest has written it meanwhile */
  observe(look: Carried, resending: boolean): void {
    const last = this.#looks.at(-1);
    this.#looks.push(look);
    while (look.atMs - (this.#looks[1]?.atMs ?? look.atMs) >= windowMs) this.#looks.shift();
    const rate = look.carriesBytesPerS ?? (last === undefined ? undefined : this.#nowBytesPerS);
    // With little to carry it says nothing about what it could.
    if (rate !== undefined && look.busy) this.#rates.push({ atMs: look.atMs, bytesPerS: rate });
    while (look.atMs - (this.#rates[0]?.atMs ?? look.atMs) > memoryMs) this.#rates.shift();
    if (!resending) return;
    this.#anew ??= { stream: look.streamBytes, wire: look.wireBytes };
    const wire = look.wireBytes - this.#anew.wire;
    if (wire < tellingBytes) return;
    const expansion = (look.streamBytes - this.#anew.stream) / wire;
    this.#expansion = Math.min(maxExpansion, Math.max(1, expansion));
  }

  /** Of the link, not of what QEMU writes; what was assumed until it is measured. */
  get sustainedBytesPerS(): number | undefined {
    return this.measuredBytesPerS ?? this.#assumed;
  }

  get measuredBytesPerS(): number | undefined {
    const sorted = this.#rates.map(({ bytesPerS }) => bytesPerS).sort((a, b) => a - b);
    return sorted[Math.floor(quantile * (sorted.length - 1))];
  }

  /** What it carries now, where somebody measures that or it had something to carry for a whole window; no limit otherwise. */
  get #fullBytesPerS(): number {
    const last = this.#looks.at(-1);
    if (last?.carriesBytesPerS !== undefined)
      return last.busy ? last.carriesBytesPerS : Number.POSITIVE_INFINITY;
    const now = this.#looks.slice(1).every(({ busy }) => busy) ? this.#nowBytesPerS : undefined;
    return now ?? Number.POSITIVE_INFINITY;
  }

  /** Over the last window; undefined before there is one. */
  get #nowBytesPerS(): number | undefined {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < windowMs) return undefined;
    return ((last.wireBytes - first.wireBytes) * 1000) / (last.atMs - first.atMs);
  }

  /** It carries much less than it sustains. */
  get inDip(): boolean {
    const { sustainedBytesPerS: sustained } = this;
    return sustained !== undefined && this.#fullBytesPerS < dipShare * sustained;
  }

  /** How much of QEMU's stream a second of the link takes when the last pages go, bytes; never what a dip will not carry. */
  get switchoverBytesPerS(): number | undefined {
    const { sustainedBytesPerS: sustained } = this;
    if (sustained === undefined) return undefined;
    const carried = Math.min(sustained, this.#fullBytesPerS);
    const last = this.#looks.at(-1);
    const apart = last !== undefined && last.wireBytes !== last.streamBytes;
    return carried * (this.#expansion ?? (apart ? untoldExpansion : 1));
  }
}
