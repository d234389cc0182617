import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';
import type { FramesBySender } from './access-point.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { PcapReader } from './pcap-reader.ts';

/** Bytes of each frame that are captured: both hardware addresses and the type. */
const snapLength = 64;

/** A packet capture of what comes in at a port of the lab's switch, for as long as it is not disposed. */
export class FrameCapture implements AsyncDisposable {
  readonly #tcpdump: ChildProcess;
  readonly #senders = new Map<string, number>();
  #broken: DockError | undefined;

  private constructor(tcpdump: ChildProcess) {
    this.#tcpdump = tcpdump;
    const reader = new PcapReader();
    tcpdump.stdout?.on('data', (piece: Buffer) => {
      try {
        for (const frame of reader.push(piece)) this.#count(frame);
      } catch (error) {
        this.#broken ??= DockError.from(error, 'protocol');
      }
    });
  }

  /** Returns when it captures. @throws DockError `missing-dependency` where tcpdump is not there or may not */
  static async start(lan: NetworkNamespace, port: string, signal: AbortSignal): Promise<FrameCapture> {
    const argv = [
      'tcpdump',
      // As root to the end: in a user namespace there is nobody else to become.
      ...['-Z', 'root'],
      ...['-n', '-i', port, '-Q', 'in', '-s', String(snapLength)],
      // What the kernel or tcpdump still keeps when it ends would be lost.
      ...['--immediate-mode', '-U', '-w', '-'],
    ];
    const tcpdump = lan.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said: string[] = [];
    const lines = createInterface(tcpdump.stderr as NonNullable<typeof tcpdump.stderr>);
    const listening = new Promise<boolean>((resolve) => {
      lines.on('line', (line) => {
        said.push(line);
        if (line.includes('listening on')) resolve(true);
      });
    });
    const ended = once(tcpdump, 'close', { signal }).then(() => false);
    ended.catch(() => undefined);
    if (await Promise.race([listening, ended])) return new FrameCapture(tcpdump);
    throw new DockError('missing-dependency', `tcpdump captures nothing on ${port}: ${said.join('; ')}`);
  }

  /** Ends the capture, and says how many frames it has, by sender. @throws DockError `protocol` */
  async finish(): Promise<FramesBySender> {
    if (this.#tcpdump.exitCode === null && this.#tcpdump.signalCode === null) {
      const ended = once(this.#tcpdump, 'close');
      this.#tcpdump.kill('SIGINT');
      await ended;
    }
    if (this.#broken !== undefined) throw this.#broken;
    return this.#senders;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish().catch(() => undefined);
  }

  #count(frame: Buffer): void {
    const sender = [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
  }
}
