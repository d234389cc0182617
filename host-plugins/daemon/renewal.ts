/**
 * Clears the memory of wdockd: what passed through it (the memory and the disk of a VM that visited, in clear) stays in
 * freed memory of Node, V8 and OpenSSL, where nothing can find and overwrite it. So wdockd ends in good order and begins
 * anew in the same process (execve(2)), whose old memory the kernel takes back. VMs do not notice; see docs/security.md.
 */
export class Renewal {
  readonly #begin: (why: string) => void;
  readonly #parts: (() => readonly Promise<unknown>[])[] = [];
  #wanted = false;

  /** @param begin is called once, when nothing is under way any more */
  constructor(begin: (why: string) => void) {
    this.#begin = begin;
  }

  /** @param underWay what must not be interrupted, asked again until there is none */
  waitFor(underWay: () => readonly Promise<unknown>[]): void {
    this.#parts.push(underWay);
  }

  /** Returns at once; asked several times, it is done once. */
  request(why: string): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#whenQuiet().then(() => this.#begin(why));
  }

  async #whenQuiet(): Promise<void> {
    for (;;) {
      const underWay = this.#parts.flatMap((part) => part());
      if (underWay.length === 0) return;
      await Promise.allSettled(underWay);
    }
  }
}
