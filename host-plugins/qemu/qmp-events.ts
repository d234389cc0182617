import { DockError } from '../../protocol/dock-error.ts';
import type { QmpEvent } from '../contract/virtual-machine.ts';

/** A listener that nobody reads must not hold the memory of this process. */
const maxWaiting = 10_000;

/**
 * Hands each event to every open listener that asked for its name. A listener is open from the call of `open`
 * on, not from the first read, and ends with its signal; when the socket dies it hands out what had come and
 * then throws.
 */
export class QmpEvents {
  readonly #listeners = new Set<Listener>();

  open(signal: AbortSignal, names: readonly string[]): AsyncIterable<QmpEvent> {
    const listener = new Listener(new Set(names), () => {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', onAbort);
    });
    const onAbort = () => listener.end(undefined);
    this.#listeners.add(listener);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return listener;
  }

  publish(event: QmpEvent): void {
    for (const listener of this.#listeners) listener.offer(event);
  }

  fail(why: DockError): void {
    for (const listener of [...this.#listeners]) listener.end(why);
  }

  get openCount(): number {
    return this.#listeners.size;
  }
}

class Listener implements AsyncIterableIterator<QmpEvent> {
  readonly #names: ReadonlySet<string>;
  readonly #onEnd: () => void;
  #waiting: QmpEvent[] = [];
  #readers: PromiseWithResolvers<IteratorResult<QmpEvent>>[] = [];
  #ended: { readonly why: DockError | undefined } | undefined;

  constructor(names: ReadonlySet<string>, onEnd: () => void) {
    this.#names = names;
    this.#onEnd = onEnd;
  }

  offer(event: QmpEvent): void {
    if (this.#names.size > 0 && !this.#names.has(event.event)) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ value: event, done: false });
    else if (this.#waiting.length < maxWaiting) this.#waiting.push(event);
    else
      this.end(new DockError('internal', `a listener for QEMU's events left ${maxWaiting} of them unread`));
  }

  end(why: DockError | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { why };
    this.#onEnd();
    for (const reader of this.#readers.splice(0)) {
      if (why === undefined) reader.resolve({ value: undefined, done: true });
      else reader.reject(why);
    }
  }

  next(): Promise<IteratorResult<QmpEvent>> {
    const event = this.#waiting.shift();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    if (this.#ended !== undefined) {
      if (this.#ended.why !== undefined) return Promise.reject(this.#ended.why);
      return Promise.resolve({ value: undefined, done: true });
    }
    const reader = Promise.withResolvers<IteratorResult<QmpEvent>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<QmpEvent>> {
    this.#waiting = [];
    this.end(undefined);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
