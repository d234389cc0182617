import { LinkMeter } from './link-meter.ts';

/** How long the VM may stand still at the switch-over. */
export interface DowntimeLimits {
  /** What a move is to keep to, ms. It begins with less, and most end so. */
  readonly downtimeLimitMs: number;
  /** At most, for a guest that writes about as fast as the link carries even when it is slowed, ms. */
  readonly maxDowntimeMs: number;
}

/** One look at a migration. */
export interface Look {
  /** Of any clock that only grows, ms. */
  readonly atMs: number;
  readonly pass: number;
  /** What QEMU has written, and what it has yet to write as far as it knows. */
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  /** Memory that the guest writes; 0 in the first pass. */
  readonly dirtyBytesPerS: number;
  /** Where what QEMU writes is not what goes over the link. */
  readonly wire?: Wire;
}

/** What whoever stands between QEMU and the link knows of the link. */
export interface Wire {
  readonly sentBytes: number;
  /** What the link carries while it has enough to carry. */
  readonly carriesBytesPerS: number | undefined;
  /** How often QEMU had to wait for it so far. */
  readonly waits: number;
}

/** What QEMU is to be told; what stays as it is is left out. */
export interface Steering {
  readonly downtimeLimitMs?: number;
  /** What it is to reckon with when it reckons how long the guest will stand still, bytes a second. */
  readonly switchoverBytesPerS?: number;
  /** How much of its processors' time the guest may be denied, per cent. */
  readonly throttlePercent?: number;
}

/** A pass that only sends what was written during the one before; until then there is nothing to judge by. */
const firstTellingPass = 3;
/** So long, dips of the link not counted, each step is given to suffice before the next is taken, ms. */
const patienceMs = 2_000;
/** Most guests are at rest, and then nobody notices the switch: what a move begins with, ms. */
const firstLimitMs = 100;
const growth = 1.5;
/** Less than this a guest writes that is at rest; slowing it is the last that is tried, bytes a second. */
const restingBytesPerS = 2 * 1024 * 1024;
/** A guest that writes less than this share of what the link takes comes to an end by itself. */
const harmlessShare = 1 / 3;
/** A pass that leaves less than this share of what the one before it left is on its way to the end. */
const shrinkingShare = 0.8;
/** QEMU slows a guest after two passes that were too much; only the next one shows whether that was enough. */
const passesToShow = 3;
/** As far as a guest is slowed at first, per cent, and what there is beyond. */
const usualThrottle = { least: 20, most: 95 } as const;
const lastThrottlePercent = 99;
/** QEMU is told of another bandwidth only when it differs by this share. */
const tellingChange = 0.1;
/** QEMU reckons in bytes a millisecond and takes 0 for "not told". */
const leastBytesPerS = 1_000;

/**
 * Brings a move to its end, and as gently as it goes. QEMU switches over by itself when what is left takes no longer than the
 * downtime limit at the bandwidth that it reckons with; so both are set here, with each look at it:
 *
 * - the bandwidth is what the link sustains. QEMU's own is that of the last 100 ms: it takes buffers that fill for a fast link
 *   and switches too early. In a dip it is what the dip carries, so that the switch waits until it is over, or is so
 *   small that it does not matter;
 * - the limit begins with 100 ms, and is raised to what the settings allow where that does not end;
 * - a guest that writes about as fast as the link carries is slowed then (auto-converge), as much as it takes to write a third
 *   of that;
 * - what even that does not end may stand still longer, up to the most that the settings allow.
 *
 * Each step is given time to suffice, in which the link has to be itself, and none is taken while passes leave less and less.
 */
export class Convergence {
  readonly #limits: DowntimeLimits;
  readonly #link: LinkMeter;
  #limitMs: number;
  #throttlePercent = 0;
  #toldBytesPerS: number | undefined;
  #healthyMs = 0;
  #last: Look | undefined;
  /** What was left when each of the last passes began, as far as it was seen. */
  readonly #passes: { readonly pass: number; readonly bytes: number }[] = [];
  #steppedAtPass = firstTellingPass;

  /** @param assumedBytesPerS of the link, until it is measured */
  constructor(limits: DowntimeLimits, assumedBytesPerS?: number) {
    this.#limits = { ...limits, maxDowntimeMs: Math.max(limits.downtimeLimitMs, limits.maxDowntimeMs) };
    this.#limitMs = Math.min(firstLimitMs, limits.downtimeLimitMs);
    this.#link = new LinkMeter(assumedBytesPerS);
  }

  /** What QEMU is told before the move begins. */
  get first(): Steering {
    return { downtimeLimitMs: this.#limitMs, ...this.#bandwidth() };
  }

  /** The most that the guest was slowed, per cent. */
  get throttlePercent(): number {
    return this.#throttlePercent;
  }

  /** What the link sustains; undefined until it is measured. */
  get linkBytesPerS(): number | undefined {
    return this.#link.measuredBytesPerS;
  }

  observe(look: Look): Steering {
    const last = this.#last;
    this.#last = look;
    this.#link.observe(
      {
        atMs: look.atMs,
        streamBytes: look.transferredBytes,
        wireBytes: look.wire?.sentBytes ?? look.transferredBytes,
        carriesBytesPerS: look.wire?.carriesBytesPerS,
        // Where passes follow each other faster, QEMU is as busy with looking for what was written as the link with that.
        busy:
          look.wire !== undefined
            ? look.wire.waits > (last?.wire?.waits ?? 0)
            : last !== undefined &&
              look.pass - last.pass <= 1 &&
              last.remainingBytes > 0 &&
              look.remainingBytes > 0,
      },
      look.pass > 1,
    );
    this.#notePass(look, last);
    const bandwidth = this.#bandwidth();
    if (look.pass < firstTellingPass) return bandwidth;
    if (last !== undefined && !this.#link.inDip) this.#healthyMs += look.atMs - last.atMs;
    if (this.#healthyMs < patienceMs || this.#link.inDip || this.#isShrinking) return bandwidth;
    if (this.#throttlePercent > 0 && look.pass < this.#steppedAtPass + passesToShow) return bandwidth;
    this.#healthyMs = 0;
    this.#steppedAtPass = look.pass;
    return { ...bandwidth, ...this.#nextStep(look) };
  }

  #notePass({ pass, remainingBytes, transferredBytes }: Look, last: Look | undefined): void {
    if (pass === last?.pass) return;
    // It began somewhere between the two looks.
    const since = transferredBytes - (last?.transferredBytes ?? transferredBytes);
    this.#passes.push({ pass, bytes: remainingBytes + since });
    if (this.#passes.length > 2) this.#passes.shift();
  }

  get #isShrinking(): boolean {
    const [before, after] = this.#passes;
    if (before === undefined || after === undefined || before.pass < firstTellingPass - 1) return false;
    return after.bytes < shrinkingShare * before.bytes;
  }

  #bandwidth(): Steering {
    const sustained = this.#link.switchoverBytesPerS;
    if (sustained === undefined) return {};
    const told = this.#toldBytesPerS;
    const now = Math.max(leastBytesPerS, Math.round(sustained));
    if (told !== undefined && Math.abs(now - told) < tellingChange * told) return {};
    this.#toldBytesPerS = now;
    return { switchoverBytesPerS: now };
  }

  #nextStep(look: Look): Steering {
    const { downtimeLimitMs, maxDowntimeMs } = this.#limits;
    if (this.#limitMs < downtimeLimitMs) return this.#allow(downtimeLimitMs);
    const canWait = this.#limitMs < maxDowntimeMs;
    const { dirtyBytesPerS: writes } = look;
    // On a slow link a guest at rest may be too much as well; its standstill is stretched first.
    const slow = writes > harmlessShare * (this.#link.switchoverBytesPerS ?? 0);
    const throttle = slow && (writes > restingBytesPerS || !canWait) ? this.#moreThrottle(look) : 0;
    if (throttle > this.#throttlePercent) {
      this.#throttlePercent = throttle;
      return { throttlePercent: throttle };
    }
    return canWait ? this.#allow(Math.min(maxDowntimeMs, Math.round(this.#limitMs * growth))) : {};
  }

  /** What it takes for the guest to write no more than what is harmless, taken from what it writes slowed as it is. */
  #moreThrottle({ dirtyBytesPerS }: Look): number {
    if (this.#throttlePercent >= usualThrottle.most) return lastThrottlePercent;
    const unslowed = dirtyBytesPerS / (1 - this.#throttlePercent / 100);
    const needed = 100 * (1 - (harmlessShare * (this.#link.switchoverBytesPerS ?? 0)) / unslowed);
    const { least, most } = usualThrottle;
    return Math.min(most, Math.max(least, this.#throttlePercent + 5, Math.ceil(needed)));
  }

  #allow(limitMs: number): Steering {
    this.#limitMs = limitMs;
    return { downtimeLimitMs: limitMs };
  }
}
