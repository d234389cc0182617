import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from '../network/network-namespace.ts';
import { type TrafficOptions, TrafficSeen } from './traffic-report.ts';

const program = join(import.meta.dirname, 'traffic-main.ts');

/** Long-lived connections and datagrams between a host of the lab and the guest, for as long as it is not disposed. */
export class Traffic implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  #complaint = '';

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#lines = createInterface(child.stdout as NonNullable<typeof child.stdout>);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    child.stdin?.on('error', () => undefined);
  }

  /**
   * Returns when every connection is there and data flows.
   * @throws DockError `io` where one could not be made, `timeout` or `cancelled`
   */
  static async open(from: NetworkNamespace, options: TrafficOptions, signal: AbortSignal): Promise<Traffic> {
    const argv = [process.execPath, program, JSON.stringify(options)];
    const traffic = new Traffic(from.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'] }));
    try {
      await traffic.#nextLine(signal);
    } catch (error) {
      await traffic[Symbol.asyncDispose]();
      throw error;
    }
    return traffic;
  }

  /** What was seen up to now; silences are counted anew from here. */
  mark(signal: AbortSignal): Promise<TrafficSeen> {
    return this.#ask('mark', signal);
  }

  /** What was seen up to now. A silence that still lasts counts up to now. */
  report(signal: AbortSignal): Promise<TrafficSeen> {
    return this.#ask('report', signal);
  }

  /** Closes every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'close');
    this.#process.stdin?.end();
    // One that has not begun to read does not see the end of its input.
    this.#process.kill('SIGTERM');
    await ended;
  }

  async #ask(question: 'mark' | 'report', signal: AbortSignal): Promise<TrafficSeen> {
    const line = this.#nextLine(signal);
    this.#process.stdin?.write(`${question}\n`);
    return TrafficSeen.parse(JSON.parse(await line));
  }

  async #nextLine(signal: AbortSignal): Promise<string> {
    if (signal.aborted) throw interruption(signal, 'the traffic with the guest');
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const said = once(this.#lines, 'line', { signal: either }).then(([line]) => String(line));
    const ended = once(this.#process, 'close', { signal: either }).then(() => {
      throw new DockError('io', `the traffic with the guest ended: ${this.#complaint.trim()}`);
    });
    try {
      return await Promise.race([said, ended]);
    } catch (error) {
      throw signal.aborted ? interruption(signal, 'the traffic with the guest') : error;
    } finally {
      over.abort();
      await Promise.allSettled([said, ended]);
    }
  }
}
