/**
 * Buffers that are used again, for what is made and written out many times a second: memory that JavaScript takes anew each
 * time brings the next collection of garbage nearer, and each looks through all of the process.
 */
export class UsedAgain {
  readonly #bytes: number;
  readonly #spare: ArrayBuffer[] = [];

  /** @param bytes of each; what is larger gets a buffer of its own */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** With anything in it. */
  take(bytes: number): Buffer {
    if (bytes > this.#bytes) return Buffer.allocUnsafe(bytes);
    return Buffer.from(this.#spare.pop() ?? new ArrayBuffer(this.#bytes), 0, bytes);
  }

  /** One that was taken, and that nobody reads any more. */
  give({ buffer }: Buffer): void {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === this.#bytes) this.#spare.push(buffer);
  }
}
