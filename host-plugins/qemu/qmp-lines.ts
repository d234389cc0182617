import { DockError } from '../../protocol/dock-error.ts';

const newline = 0x0a;

/** Cuts the bytes of a QMP socket into lines, holding at most `maxBytes` of an unfinished one. */
export class QmpLines {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The lines that these bytes complete, without empty ones. Throws `protocol` for a line that is too long.
   */
  push(bytes: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
      this.#hold(bytes.subarray(from, at));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#held = 0;
      if (line !== '') lines.push(line);
      from = at + 1;
    }
    if (from < bytes.length) this.#hold(bytes.subarray(from));
    return lines;
  }

  #hold(part: Buffer): void {
    this.#held += part.length;
    if (this.#held > this.#maxBytes) {
      throw new DockError('protocol', `QEMU sent a message of more than ${this.#maxBytes} bytes`);
    }
    this.#parts.push(part);
  }
}
