import type { SystemFiles } from '../system-files.ts';

/** NetworkManager answers a Reapply before it acts, on a busy machine a good while before, ms. */
const pauseMs = 5000;

/**
 * Keeps IPv6 addresses from being probed for when NetworkManager takes them away for some milliseconds (up to 1.52
 * each Reapply switches IPv6 off and on). They come back as new ones, and duplicate address detection would make them
 * deaf and dumb for one to two seconds, though they were the guest's all the time.
 */
export class ProbingPause {
  readonly #files: SystemFiles;
  #paused: { readonly path: string; readonly before: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(files: SystemFiles) {
    this.#files = files;
  }

  /** Begins a pause, or makes the one that goes on longer. Where the kernel has no IPv6 nothing is paused. */
  async begin(name: string): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#paused === undefined) {
      const path = `/proc/sys/net/ipv6/conf/${name}/accept_dad`;
      const before = (await this.#files.readIfThere(path))?.trim();
      if (before === undefined || Number(before) === 0) return;
      await this.#files.write(path, '0').catch(() => {});
      this.#paused = { path, before };
    }
    this.#timer = setTimeout(() => void this.end(), pauseMs);
  }

  /** The setting is again as it was. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    const paused = this.#paused;
    this.#paused = undefined;
    if (paused !== undefined) await this.#files.write(paused.path, paused.before).catch(() => {});
  }
}
