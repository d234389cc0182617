import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { longestSilenceMs, parsePingReply } from './ping-output.ts';

/** What the client saw of the guest between two marks. */
export interface NetworkGap {
  networkGapMs: number;
  replies: number;
  observedMs: number;
}

/** Time between two probes; the gap is known to about this. From 10 ms up ping uses a coarser timer, of 16 ms. */
const intervalMs = 7;

/** Asks an address for a sign of life every 7 ms, from a host of the lab, for as long as it is not disposed. */
export class GapProbe implements AsyncDisposable {
  readonly #ping: ChildProcess;
  readonly #repliesMs: number[] = [];
  #fromMs = 0;

  private constructor(ping: ChildProcess) {
    this.#ping = ping;
  }

  /**
   * Returns at the first answer; the first measurement starts there.
   * @throws DockError `timeout` or `cancelled` where the signal ends the wait for it
   */
  static async start(from: NetworkNamespace, address: string, signal: AbortSignal): Promise<GapProbe> {
    signal.throwIfAborted();
    const ping = from.spawn(['ping', '-D', '-n', '-i', String(intervalMs / 1000), address], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const probe = new GapProbe(ping);
    const lines = createInterface(ping.stdout as NonNullable<typeof ping.stdout>);
    lines.on('line', (line) => {
      const reply = parsePingReply(line);
      if (reply === undefined) return;
      probe.#repliesMs.push(reply);
      lines.emit('reply');
    });
    try {
      await Promise.race([
        once(lines, 'reply', { signal }),
        once(ping, 'close').then(() => {
          throw new DockError(
            'missing-dependency',
            'ping ended before it had an answer; is iputils-ping installed?',
          );
        }),
      ]);
    } catch (error) {
      await probe[Symbol.asyncDispose]();
      throw signal.aborted
        ? new DockError('timeout', `${address} never answered "${from.name}"`, { cause: error })
        : error;
    }
    probe.mark();
    return probe;
  }

  /** Starts a measurement; what was before does not count. */
  mark(): void {
    this.#fromMs = Date.now();
    this.#repliesMs.length = 0;
  }

  /** What was seen since the last mark. A silence that still lasts counts up to now. */
  measure(): NetworkGap {
    const toMs = Date.now();
    return {
      networkGapMs: longestSilenceMs(this.#repliesMs, this.#fromMs, toMs),
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
