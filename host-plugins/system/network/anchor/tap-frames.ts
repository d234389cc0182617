import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../../protocol/dock-error.ts';
import { adoptDetached, type DetachedProcess, startDetached } from '../../process/detached-process.ts';
import { findInterface } from '../read-interfaces.ts';

export interface TapFramesOptions {
  /** A persistent tap that is there already, and that nobody else has opened. */
  readonly tap: string;
  readonly pidFile: string;
  readonly logFile: string;
  readonly onFrame: (frame: Uint8Array) => void;
}

const loopback = '127.0.0.1';
/** More than any frame that is not a jumbo frame. */
const blockBytes = 9216;
/** The kernel takes less where net.core.rmem_max says so. */
const bufferBytes = 1024 * 1024;
const attachLimitMs = 5_000;
const lookEveryMs = 20;
const endGraceMs = 1_000;

/**
 * The frames of a tap in this process. Node cannot open one (it takes an ioctl), so socat(1) does, and passes each
 * frame on as a datagram of the loopback interface. Both ends are bound and connected, so that the kernel drops
 * what any other program sends there. socat ends by itself at the first frame that nobody is there to take; one that
 * an earlier life of wdockd has left is ended first.
 */
export class TapFrames implements AsyncDisposable {
  /** Resolves when socat has ended, whoever ended it. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #process: DetachedProcess;
  readonly #closing = new AbortController();

  private constructor(socket: Socket, process: DetachedProcess, onFrame: (frame: Uint8Array) => void) {
    this.#socket = socket;
    this.#process = process;
    socket.on('message', onFrame);
    this.ended = process.exited(this.#closing.signal).catch(() => undefined);
  }

  /** Throws `missing-dependency` without socat or rights, `io` with socat's words when the tap cannot be opened. */
  static async open(options: TapFramesOptions, signal: AbortSignal): Promise<TapFrames> {
    const { tap, pidFile, logFile } = options;
    const marker = `-lp${logFile}`;
    const left = await adoptDetached({ pidFile, logFile }, { program: 'socat', marker });
    await left?.terminate(endGraceMs, signal);

    const socket = createSocket('udp4');
    // A frame that comes while socat is not there (yet) is lost, as on a cable that is not plugged in.
    socket.on('error', () => undefined);
    let process: DetachedProcess | undefined;
    try {
      const ours = await bind(socket);
      const theirs = await freePort();
      socket.connect(theirs, loopback);
      await once(socket, 'connect', { signal });
      const argv = [
        ...['socat', marker, '-b', String(blockBytes)],
        `TUN,tun-type=tap,tun-name=${tap},iff-no-pi,iff-up`,
        `UDP4:${loopback}:${ours},bind=${loopback}:${theirs}`,
      ];
      process = await startDetached({ argv, logFile, pidFile, marker }, signal);
      await untilAttached(tap, process, AbortSignal.any([signal, AbortSignal.timeout(attachLimitMs)]));
      try {
        socket.setRecvBufferSize(bufferBytes);
        socket.setSendBufferSize(bufferBytes);
      } catch {
        // smaller buffers lose frames of a burst a little earlier
      }
      return new TapFrames(socket, process, options.onFrame);
    } catch (error) {
      socket.close();
      await process?.terminate(endGraceMs, AbortSignal.timeout(2 * endGraceMs));
      throw error;
    }
  }

  /** Hands a frame to the tap, as if it had come over a cable. Lost where socat has ended. */
  send(frame: Uint8Array): void {
    if (!this.#closing.signal.aborted) this.#socket.send(frame, () => undefined);
  }

  /** Ends socat; the tap stays, without a carrier. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#socket.close();
    await this.#process.terminate(endGraceMs, AbortSignal.timeout(2 * endGraceMs));
  }
}

async function bind(socket: Socket): Promise<number> {
  socket.bind(0, loopback);
  await once(socket, 'listening');
  return socket.address().port;
}

/** A port that is free now; should another program take it before socat does, then socat says so and ends. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  try {
    return await bind(socket);
  } finally {
    socket.close();
  }
}

/** The kernel tells nobody without netlink when a tap gets its carrier. */
async function untilAttached(tap: string, process: DetachedProcess, signal: AbortSignal): Promise<void> {
  for (;;) {
    const found = await findInterface(tap, signal);
    if (found === undefined) throw new DockError('not-found', `there is no tap ${tap}`);
    if (found.carrier) return;
    if (!(await process.isAlive())) {
      throw new DockError('io', `socat cannot open the tap ${tap}: ${await process.logTail(2)}`);
    }
    await delay(lookEveryMs, undefined, { signal });
  }
}
