import type { Socket } from 'node:net';
import type { z } from 'zod';
import { keepPace, paceMs } from './pace.ts';
import { describeSilence, nowMs, Silence } from './silence.ts';
import { StreamCheck, StreamSource } from './stream-content.ts';
import type { FlowSeen } from './traffic-report.ts';

export interface FlowOptions {
  readonly name: string;
  /** No other flow's: its content is this stream's, and a block of another one is told from its own. */
  readonly salt: number;
  /** In each direction. */
  readonly bitsPerS: number;
}

/** After a stall, what was not sent is not made up for: a burst would be measured as life that was none. */
const mostStepsAtOnce = 3;

/**
 * The client's end of a TCP connection on which known content flows at a steady rate to the guest and back: whatever one of
 * the two directions loses, doubles or changes is not what was sent.
 */
export class Flow {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #source: StreamSource;
  readonly #check: StreamCheck;
  readonly #silence = new Silence(nowMs());
  readonly #piece: Buffer;
  #sending = false;
  #lastMs = nowMs();
  #ended: string | undefined;

  /** @param socket whose other end sends back what comes */
  constructor(socket: Socket, { name, salt, bitsPerS }: FlowOptions) {
    this.#name = name;
    this.#socket = socket;
    this.#source = new StreamSource(salt);
    this.#check = new StreamCheck(salt);
    this.#piece = Buffer.alloc(Math.ceil((bitsPerS / 8) * ((paceMs * mostStepsAtOnce) / 1000)));
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => {
      this.#silence.heard(nowMs());
      this.#check.take(piece);
    });
    socket.on('error', (error) => {
      this.#ended ??= error.message;
    });
    socket.on('end', () => {
      this.#ended ??= 'closed by the other end';
    });
    // Reading its first line has left it paused.
    socket.resume();
    const stop = keepPace(() => this.#send(bitsPerS));
    socket.on('close', () => {
      stop();
      this.#ended ??= 'closed';
    });
  }

  mark(): void {
    this.#silence.mark(nowMs());
  }

  report(): z.infer<typeof FlowSeen> {
    return {
      name: this.#name,
      open: this.#ended === undefined,
      ended: this.#ended,
      sentBytes: this.#source.sentBytes,
      ...this.#check.counters,
      ...describeSilence(this.#silence.longest(nowMs())),
    };
  }

  #send(bitsPerS: number): void {
    const now = nowMs();
    const dueMs = Math.min(now - this.#lastMs, paceMs * mostStepsAtOnce);
    this.#lastMs = now;
    if (this.#ended !== undefined || this.#sending) return;
    const piece = this.#piece.subarray(0, Math.round((bitsPerS / 8) * (dueMs / 1000)));
    this.#source.fill(piece);
    this.#sending = true;
    this.#socket.write(piece, () => {
      this.#sending = false;
    });
  }
}
