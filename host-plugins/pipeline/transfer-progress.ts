import type { MigrationEvent } from '../qemu/outgoing-migration.ts';
import type { Say } from './stage-clock.ts';

const mebibyte = 1024 * 1024;

/** Puts into words how the memory of a VM is sent while it runs. */
export class TransferProgress {
  readonly #say: Say;
  readonly #wireBytes: () => number;
  /** What is left grows with each pass, by what the guest has written meanwhile; the share that is done does not shrink. */
  #share = 0;

  /** @param wireBytes what has gone over the link; QEMU counts what it wrote, most of which need not go */
  constructor(say: Say, wireBytes: () => number) {
    this.#say = say;
    this.#wireBytes = wireBytes;
  }

  take(event: MigrationEvent): void {
    if (event.kind === 'downtime-raised') {
      const writes = (event.dirtyBytesPerS / mebibyte).toFixed(1);
      this.#say(
        `the guest writes ${writes} MiB/s, and the link does not keep up; it may stand still ${event.limitMs} ms`,
      );
      return;
    }
    if (event.kind === 'slowed') {
      const writes = (event.dirtyBytesPerS / mebibyte).toFixed(1);
      this.#say(
        `the guest writes ${writes} MiB/s, about what the link carries; it is slowed by ${event.percent} %`,
      );
      return;
    }
    if (event.kind === 'stalled') {
      this.#say(`nothing has gone through for ${Math.round(event.forMs / 1000)} s; waiting for the link`);
      return;
    }
    if (event.kind !== 'progress') return;
    const { transferredBytes, remainingBytes, pass } = event.progress;
    const sent = Math.round(this.#wireBytes() / mebibyte);
    const left = Math.round(remainingBytes / mebibyte);
    const both = transferredBytes + remainingBytes;
    if (both > 0) this.#share = Math.max(this.#share, transferredBytes / both);
    this.#say(
      pass <= 1
        ? `${sent} MiB sent, ${left} MiB to look at`
        : `${sent} MiB sent, pass ${pass}, ${left} MiB left`,
      both === 0 ? undefined : this.#share,
    );
  }
}
