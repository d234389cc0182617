import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import { Refusal, RefusalReason } from '../../protocol/pairing-messages.ts';
import { untilAborted } from './until-aborted.ts';

/** No message is nearly as long, bytes. */
const maxLineBytes = 1024;

/** Why the other end refused; undefined for every other error. */
export function refusalOf(error: unknown): RefusalReason | undefined {
  const reason = RefusalReason.safeParse(error instanceof DockError ? error.detail?.['refused'] : undefined);
  return reason.data;
}

/** Pairing messages over a connection, one a line; nothing is read before somebody asks for it. */
export class PairingLink {
  readonly #socket: TLSSocket;
  #unread = Buffer.alloc(0);

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('error', () => undefined); // its 'close' follows and is what counts
  }

  send(message: object): void {
    if (!this.#socket.writable) return; // that it is gone shows at the next `receive`
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Throws `peer-refused` (see `refusalOf`), `protocol` for all that is not this message, `peer-gone` at the end. */
  async receive<T extends z.ZodObject>(schema: T, signal: AbortSignal): Promise<z.output<T>> {
    const message = parseJson(await this.#line(signal));
    const refusal = Refusal.safeParse(message);
    if (refusal.success) {
      const { refused } = refusal.data;
      throw new DockError('peer-refused', `the other device refused: ${refused}`, { detail: { refused } });
    }
    const parsed = schema.safeParse(message);
    if (parsed.success) return parsed.data;
    throw new DockError('protocol', `a pairing message is wrong: ${z.prettifyError(parsed.error)}`);
  }

  /** Lets what was sent go out, waits for the other end to close, a moment, and closes. */
  async finish(signal: AbortSignal): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.end();
    socket.resume();
    await untilAborted(closed, signal).catch(() => undefined);
    socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #line(signal: AbortSignal): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf('\n');
      if (end >= 0) {
        const line = this.#unread.subarray(0, end).toString('utf8');
        this.#unread = this.#unread.subarray(end + 1);
        return line;
      }
      if (this.#unread.length > maxLineBytes) {
        throw new DockError('protocol', `a pairing message is longer than ${maxLineBytes} bytes`);
      }
      this.#unread = Buffer.concat([this.#unread, await this.#read(signal)]);
    }
  }

  async #read(signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (this.#socket.readableEnded || this.#socket.destroyed) {
        throw new DockError('peer-gone', 'the other device closed the connection while pairing');
      }
      const woken = new AbortController();
      const anyOf = ['readable', 'end', 'close'].map((event) =>
        once(this.#socket, event, { signal: woken.signal }),
      );
      try {
        await untilAborted(Promise.race(anyOf), signal);
      } finally {
        woken.abort();
        for (const wait of anyOf) wait.catch(() => undefined);
      }
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DockError('protocol', 'a pairing message is not JSON');
  }
}
