import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { longestGap, parsePingReply } from './ping-output.ts';

/** What the client saw of the guest between two marks. */
export interface NetworkGap {
  networkGapMs: number;
  /** When the longest gap began, ms since 1970. */
  gapFromMs: number;
  replies: number;
  observedMs: number;
}

/** Time between two probes; the gap is known to about this. From 10 ms up ping uses a coarser timer, of 16 ms. */
const intervalMs = 7;

/** Asks an address for a sign of life every 7 ms, from a host of the lab, for as long as it is not disposed. */
export class GapProbe implements AsyncDisposable {
  readonly #ping: ChildProcess;
  readonly #lines: Interface;
  readonly #address: string;
  readonly #repliesMs: number[] = [];
  #fromMs = 0;

  private constructor(ping: ChildProcess, lines: Interface, address: string) {
    this.#address = address;
    this.#ping = ping;
    this.#lines = lines;
  }

  /** Returns at the first answer; the first measurement starts there. Throws as `nextReply` does. */
  static async start(from: NetworkNamespace, address: string, signal: AbortSignal): Promise<GapProbe> {
    if (signal.aborted) throw interruption(signal, `an answer of ${address}`);
    const ping = from.spawn(['ping', '-D', '-n', '-i', String(intervalMs / 1000), address], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = createInterface(ping.stdout as NonNullable<typeof ping.stdout>);
    const probe = new GapProbe(ping, lines, address);
    lines.on('line', (line) => {
      const reply = parsePingReply(line);
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
   * @throws DockError `timeout` or `cancelled` by the signal, `missing-dependency` where ping ended
   */
  async nextReply(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([
        once(this.#lines, 'reply', { signal: either }),
        once(this.#ping, 'close', { signal: either }).then(() => {
          throw new DockError(
            'missing-dependency',
            'ping ended without an answer; is iputils-ping installed?',
          );
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
    if (this.#ping.exitCode !== null || this.#ping.signalCode !== null) return;
    const ended = once(this.#ping, 'close');
    this.#ping.kill('SIGKILL');
    await ended;
  }
}
