import { readFileSync } from 'node:fs';
import type { NetworkNamespace } from '../../test/lab/network/network-namespace.ts';
import { type LinkSample, parseLinkCounters } from './link-samples.ts';

const everyMs = 50;

/** Watches what a host's interface carries, for as long as it is not disposed. */
export class LinkMeter implements Disposable {
  readonly samples: LinkSample[] = [];
  readonly #file: string;
  readonly #device: string;
  readonly #timer: NodeJS.Timeout;

  constructor({ keeperPid }: NetworkNamespace, device: string) {
    this.#file = `/proc/${keeperPid}/net/dev`;
    this.#device = device;
    this.look();
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  /** Takes a sample now. @returns what was carried since the first one, in and out, bytes */
  look(): number {
    const counters = parseLinkCounters(readFileSync(this.#file, 'utf8'), this.#device);
    const now: LinkSample = { atMs: performance.now(), ...counters };
    this.samples.push(now);
    const first = this.samples[0] as LinkSample;
    return now.receivedBytes - first.receivedBytes + now.sentBytes - first.sentBytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
