import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { longestGap, parseFpingReply } from './fping-output.ts';
import type { NetworkNamespace } from './network-namespace.ts';

/** What the client saw of the guest between two marks. */
export interface NetworkGap {
  networkGapMs: number;
  /** When the longest gap began, ms since 1970. */
  gapFromMs: number;
  replies: number;
  observedMs: number;
}

/** Time between two probes; the gap is known to about this. `ping` would not sleep between them, and take a processor. */
const intervalMs = 10;
/** An answer counts so long after its probe was sent. */
const lateMs = 10_000;

/** Asks an address for a sign of life every 10 ms, from a host of the lab, for as long as it is not disposed. */
export class GapProbe implements AsyncDisposable {
  readonly #fping: ChildProcess;
  readonly #lines: Interface;
  readonly #address: string;
  readonly #repliesMs: number[] = [];
  #fromMs = 0;

  private constructor(fping: ChildProcess, lines: Interface, address: string) {
    this.#address = address;
    this.#fping = fping;
    this.#lines = lines;
  }

  /** Returns at the first answer; the first measurement starts there. Throws as `nextReply` does. */
  static async start(from: NetworkNamespace, address: string, signal: AbortSignal): Promise<GapProbe> {
    if (signal.aborted) throw interruption(signal, `an answer of ${address}`);
    const fping = from.spawn(['fping', '-l', '-D', '-p', String(intervalMs), '-t', String(lateMs), address], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = createInterface(fping.stdout as NonNullable<typeof fping.stdout>);
    const probe = new GapProbe(fping, lines, address);
    lines.on('line', (line) => {
      const reply = parseFpingReply(line);
      if (reply === undefined) return;
      probe.#repliesMs.push(reply);
      lines.emit('reply');
    });
    try {
      await probe.nextReply(signal);
    } catch (error) {
      await probe[Symbol.asyncDispose]();
      throw error;
    }
    probe.mark();
    return probe;
  }

  /**
   * Waits for the next answer.
   * @throws DockError `timeout` or `cancelled` by the signal, `missing-dependency` where fping ended
   */
  async nextReply(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([
        once(this.#lines, 'reply', { signal: either }),
        once(this.#fping, 'close', { signal: either }).then(() => {
          throw new DockError('missing-dependency', 'fping ended without an answer; is it installed?');
        }),
      ]);
    } catch (error) {
      if (!signal.aborted) throw error;
      const { kind } = DockError.from(signal.reason, 'cancelled');
      throw new DockError(kind, `${this.#address} does not answer`, { cause: error });
    } finally {
      over.abort();
    }
  }

  /** Starts a measurement; what was before does not count. */
  mark(): void {
    this.#fromMs = Date.now();
    this.#repliesMs.length = 0;
  }

  /** What was seen since the last mark. A silence that still lasts counts up to now. */
  measure(): NetworkGap {
    const toMs = Date.now();
    const { ms, fromMs } = longestGap(this.#repliesMs, this.#fromMs, toMs);
    return {
      ...{ networkGapMs: ms, gapFromMs: fromMs },
      replies: this.#repliesMs.length,
      observedMs: toMs - this.#fromMs,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#fping.exitCode !== null || this.#fping.signalCode !== null) return;
    const ended = once(this.#fping, 'close');
    this.#fping.kill('SIGKILL');
    await ended;
  }
}
