/** How far a migration has come; it moves when any of these changes. */
export interface Position {
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  readonly pass: number;
}

/**
 * Tells a slow migration from one that hangs. A link that is gone closes no socket: the kernel goes on sending the same
 * segment for a quarter of an hour (tcp(7), `tcp_retries2`), and QEMU waits with it.
 */
export class StallWatch {
  #last: Position | undefined;
  #movedAtMs = 0;

  /** With each look: for how long nothing has moved, ms; 0 where something has. `atMs`: any clock that only grows. */
  observe(now: Position, atMs: number): number {
    const last = this.#last;
    this.#last = now;
    const same =
      last?.transferredBytes === now.transferredBytes &&
      last.remainingBytes === now.remainingBytes &&
      last.pass === now.pass;
    if (!same) this.#movedAtMs = atMs;
    return atMs - this.#movedAtMs;
  }
}
