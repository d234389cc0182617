import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';

const child = fileURLToPath(new URL('observer-child.ts', import.meta.url));

/** A line of observer-child.ts. */
export type Told = Readonly<Record<string, unknown>>;

/** A process, elsewhere, in which sources observe; and what they have told. */
export class Observer implements AsyncDisposable {
  readonly told: Told[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #errors = '';
  #ended = false;

  /** @param enter a command that runs another one elsewhere, e.g. in a namespace */
  constructor(enter: readonly string[], wish: object) {
    this.#child = spawnMortal([...enter, process.execPath, child, JSON.stringify(wish)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    createInterface(this.#child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      this.told.push(JSON.parse(line) as Told);
      this.#wake();
    });
    this.#child.stderr?.on('data', (text) => {
      this.#errors += String(text);
    });
    this.#child.once('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Resolves with the first thing told that has all this in it, from the `from`-th on. Rejects when the process ends first. */
  async saw(expected: Told, from = 0): Promise<Told> {
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const check = () => {
      const found = this.told.slice(from).find((each) => contains(each, expected));
      if (found !== undefined) resolve(found);
      else if (this.#ended) reject(new Error(`ended before ${JSON.stringify(expected)}: ${this.#errors}`));
    };
    this.#waiting.add(check);
    check();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(check);
    }
  }

  /** A request to the child. */
  say(text: string): void {
    this.#child.stdin?.write(`${text}\n`);
  }

  /** Ends it in good order. */
  end(): void {
    this.#child.stdin?.end();
  }

  /** As a crash of it, or a cut of its power. */
  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.#child);
  }

  #wake(): void {
    for (const check of [...this.#waiting]) check();
  }
}

function contains(told: Told, expected: Told): boolean {
  return Object.entries(expected).every(
    ([key, value]) => JSON.stringify(told[key]) === JSON.stringify(value),
  );
}
