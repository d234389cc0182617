import type { Socket } from 'node:net';
import { keepPace, paceMs } from './pace.ts';
import { describeSilence, nowMs, Silence } from './silence.ts';
import { StreamCheck, type StreamCounters, StreamSource } from './stream-content.ts';

/** What both ends of a flow must know of it; the one that connects sends it as its first line. */
export interface FlowHeader {
  readonly name: string;
  /** The end that connects sends the stream of this salt, the other the one of the next. */
  readonly salt: number;
  /** In each direction. */
  readonly bitsPerS: number;
}

/** What one end of a flow has seen. */
export interface FlowReport extends StreamCounters {
  readonly name: string;
  readonly open: boolean;
  /** Why it is not open. */
  readonly ended: string | undefined;
  readonly sentBytes: number;
  /** Since the last mark, by this end's clock; that of a guest stands still while it is moved. */
  readonly longestSilenceMs: number;
  /** When that silence began, ms since 1970, by the same clock. */
  readonly silentFromMs: number;
}

/** After a stall, what was not sent is not made up for: a burst would be measured as life that was none. */
const mostStepsAtOnce = 3;

/** One end of a TCP connection on which known content flows both ways at a steady rate. */
export class Flow {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #source: StreamSource;
  readonly #check: StreamCheck;
  readonly #silence = new Silence(nowMs());
  /** The same memory each time: what a guest writes to has to be moved with it. */
  readonly #piece: Buffer;
  #sending = false;
  #lastMs = nowMs();
  #ended: string | undefined;

  constructor(socket: Socket, { name, salt, bitsPerS }: FlowHeader, side: 'connects' | 'accepts') {
    this.#name = name;
    this.#socket = socket;
    const [own, other] = side === 'connects' ? [salt, salt + 1] : [salt + 1, salt];
    this.#source = new StreamSource(own);
    this.#check = new StreamCheck(other);
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

  report(): FlowReport {
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

/** Takes the first line off a connection, and returns it with what came after it already. */
export async function readFirstLine(socket: Socket): Promise<{ line: string; rest: Uint8Array }> {
  return await new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    const onData = (piece: Uint8Array) => {
      pieces.push(piece);
      const all = Buffer.concat(pieces);
      const end = all.indexOf('\n');
      if (end < 0) return;
      socket.pause();
      socket.off('data', onData).off('close', onClose);
      resolve({ line: all.toString('utf8', 0, end), rest: all.subarray(end + 1) });
    };
    const onClose = () => reject(new Error('the connection was closed before its first line'));
    socket.on('data', onData).once('close', onClose).once('error', reject);
  });
}
