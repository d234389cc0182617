import type { TLSSocket } from 'node:tls';
import { DockError } from '../../../protocol/dock-error.ts';
import { encodeFrame } from './encode-frame.ts';
import { FrameReader } from './frame-reader.ts';
import type { LinkState } from './link-state.ts';
import type { SessionCore } from './session-core.ts';

/** More is not given to a socket that has not sent what it was given, bytes. */
const socketBytes = 128 * 1024;

/** The two ends of a link's connection, as `net` writes addresses. */
export interface LinkEnds {
  readonly local: string;
  readonly remote: string;
}

export interface LinkTold {
  /** Something came, and is dealt with. */
  readonly onHeard: () => void;
  /** The other end broke the protocol. */
  readonly onFault: (error: DockError) => void;
  /** Once: the connection is gone. */
  readonly onLost: () => void;
}

/** One connection of a session: carries what the core gives it, and hands what comes to the core. */
export class Link {
  readonly ends: LinkEnds;
  readonly state: LinkState;
  readonly #socket: TLSSocket;
  readonly #core: SessionCore;
  readonly #reader: FrameReader;
  readonly #told: LinkTold;
  #pumping = false;

  constructor(socket: TLSSocket, core: SessionCore, told: LinkTold) {
    this.#socket = socket;
    this.#core = core;
    this.#told = told;
    this.ends = { local: plainAddress(socket.localAddress), remote: plainAddress(socket.remoteAddress) };
    this.state = core.addLink(performance.now());
    this.#reader = new FrameReader((frame) => core.receive(this.state, frame, performance.now()));
    socket.on('error', () => undefined); // its 'close' follows and is what counts
    socket.once('close', told.onLost);
    socket.once('end', () => socket.destroy());
    socket.on('drain', () => this.pump());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.pump();
  }

  /** Sends what there is to send, as far as this link takes it. */
  pump(): void {
    const socket = this.#socket;
    if (this.#pumping || socket.destroyed || !socket.writable) return;
    this.#pumping = true;
    const now = performance.now();
    socket.cork();
    try {
      while (socket.writableLength < socketBytes) {
        const frame = this.#core.next(this.state, now);
        if (frame === undefined) break;
        for (const piece of encodeFrame(frame)) socket.write(piece);
      }
    } finally {
      socket.uncork();
      this.#pumping = false;
    }
  }

  /** Says why the session is over, as far as that still goes, and closes. */
  bye(body: Uint8Array): void {
    if (this.#socket.destroyed) return;
    for (const piece of encodeFrame({ kind: 'bye', body })) this.#socket.write(piece);
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#told.onFault(DockError.from(error));
      return;
    }
    this.pump();
    this.#told.onHeard();
  }
}

/** Without the prefix that an IPv4 address has on a socket of both kinds. */
function plainAddress(address = ''): string {
  return address.replace(/^::ffff:/, '');
}
