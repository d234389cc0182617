import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { z } from 'zod';
import { keepPace } from './pace.ts';
import { describeSilence, nowMs, Silence } from './silence.ts';
import type { DatagramsSeen } from './traffic-report.ts';

/** Small: they are there for their numbers. */
const datagramBytes = 200;
/** An answer that is later than this is one that does not come. */
const lateMs = 2_000;

/** Numbered datagrams at a steady rate to somebody who sends each back, until the program ends. */
export class Datagrams {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #silence = new Silence(nowMs());
  /** When each was sent that has not come back. */
  readonly #awaitedMs = new Map<number, number>();
  #sent = 0;
  #answered = 0;
  #doubled = 0;

  private constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.on('message', (message) => this.#take(message.readUInt32BE(0)));
    // Said of a datagram that was not delivered: it counts as lost.
    socket.on('error', () => undefined);
    keepPace(() => this.#send());
  }

  static async open(name: string, address: string, port: number): Promise<Datagrams> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.connect(port, address);
    await once(socket, 'connect');
    return new Datagrams(name, socket);
  }

  mark(): void {
    this.#silence.mark(nowMs());
  }

  report(): z.infer<typeof DatagramsSeen> {
    const now = nowMs();
    const lost = [...this.#awaitedMs.values()].filter((sentMs) => now - sentMs > lateMs).length;
    return {
      ...{ name: this.#name, sent: this.#sent, answered: this.#answered, lost, doubled: this.#doubled },
      ...describeSilence(this.#silence.longest(now)),
    };
  }

  #send(): void {
    const message = Buffer.alloc(datagramBytes);
    message.writeUInt32BE(this.#sent);
    this.#awaitedMs.set(this.#sent++, nowMs());
    this.#socket.send(message, () => undefined);
  }

  #take(sequence: number): void {
    this.#silence.heard(nowMs());
    if (this.#awaitedMs.delete(sequence)) this.#answered++;
    else this.#doubled++;
  }
}
