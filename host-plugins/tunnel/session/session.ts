import type { TLSSocket } from 'node:tls';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import { parseDeviceAddress } from '../../pairing/device-address.ts';
import type { DeviceId } from '../../pairing/fingerprint.ts';
import { encodeError, type LinkPlace } from './frame-bodies.ts';
import { Link, type LinkEnds } from './link.ts';
import { SessionChannel } from './session-channel.ts';
import { SessionCore, tickMs } from './session-core.ts';

/** What arrived and nobody asked about is acknowledged after so long, ms. */
const acknowledgeMs = 10;

/** A session that came about on both ends. */
export interface SessionNames {
  readonly id: string;
  /** Whoever joins a link to it has to know this; it went over TLS to the device that it was made with. */
  readonly secret: string;
  readonly deviceId: DeviceId;
  readonly deviceName: string;
  /** The life of the other wdockd that it belongs to. */
  readonly life: string;
  readonly side: 'first' | 'second';
}

export interface SessionTold {
  /** The other end opens a channel: `accept` or `refuse` it. `gaveUp` aborts when it does not want it any more. */
  readonly onOpening: (session: Session, channel: number, name: string, gaveUp: AbortSignal) => void;
  /** A link came or went, or the other end told where it can be reached, or a channel came or went. */
  readonly onChange: (session: Session) => void;
  readonly onOver: (session: Session, why: DockError) => void;
}

/** How a link of a session does. */
export interface LinkFacts extends LinkEnds {
  readonly rateBytesPerS: number;
  readonly roundTripMs: number | undefined;
  readonly deliveredBytes: number;
}

interface OwnChannel {
  readonly name: string;
  readonly answer: PromiseWithResolvers<SessionChannel>;
}

/** One session with a paired device: its links, and the channels over them. */
export class Session {
  readonly names: SessionNames;
  readonly #told: SessionTold;
  readonly #core: SessionCore;
  readonly #links = new Set<Link>();
  readonly #streams = new Map<number, SessionChannel>();
  readonly #asking = new Map<number, OwnChannel>();
  readonly #asked = new Map<number, AbortController>();
  readonly #ticker: NodeJS.Timeout;
  #places: readonly LinkPlace[] = [];
  #acknowledging: NodeJS.Timeout | undefined;
  #waking = false;
  #over: DockError | undefined;
  #linklessSince: number | undefined = performance.now();

  constructor(names: SessionNames, told: SessionTold) {
    this.names = names;
    this.#told = told;
    this.#core = new SessionCore(names.side, {
      opening: (id, name) => this.#opening(id, name),
      accepted: (id) => this.#accepted(id),
      refused: (id, error) => this.#unanswered(id, this.#refusal(error)),
      data: (id, pieces) => this.#streams.get(id)?.arrived(pieces),
      ended: (id) => this.#streams.get(id)?.ended(),
      reset: (id, error) => this.#broken(id, error),
      writable: (id) => this.#streams.get(id)?.relieved(),
      finished: (id) => this.#streams.get(id)?.finished(),
      gone: (id) => this.#gone(id),
      places: (places) => {
        for (const { address } of places) parseDeviceAddress(address); // throws for what is none
        this.#places = places;
        told.onChange(this);
      },
      bye: (error) => this.end(this.#farewell(error), { tell: false }),
    });
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    this.#ticker.unref();
  }

  /** Why it is over; undefined while it lives. */
  get over(): DockError | undefined {
    return this.#over;
  }

  get channelCount(): number {
    return this.#core.channelCount;
  }

  /** Where the other end says that it can be reached. */
  get places(): readonly LinkPlace[] {
    return this.#places;
  }

  /** Bytes that were sent a second time, because the link that they were on was lost. */
  get resentBytes(): number {
    return this.#core.resentBytes;
  }

  /** Since when there is no link, by performance.now(). */
  get linklessSince(): number | undefined {
    return this.#linklessSince;
  }

  get links(): readonly LinkFacts[] {
    return [...this.#links].map(({ ends, state: { pace } }) => ({
      ...ends,
      rateBytesPerS: pace.rateBytesPerS,
      roundTripMs: pace.roundTripMs,
      deliveredBytes: pace.deliveredBytes,
    }));
  }

  /** The connection becomes one of its links. */
  addLink(socket: TLSSocket, head: Uint8Array): void {
    if (this.#over !== undefined) {
      socket.destroy();
      return;
    }
    if (head.length > 0) socket.unshift(head);
    const link: Link = new Link(socket, this.#core, {
      onHeard: () => {
        if (link.state.owes) this.#acknowledgeSoon();
        if (this.#links.size > 1) this.#wake();
      },
      onFault: (error) => this.#fault(error),
      onLost: () => this.#lost(link),
    });
    this.#links.add(link);
    this.#linklessSince = undefined;
    this.#told.onChange(this);
    this.#wake();
  }

  sayPlaces(places: readonly LinkPlace[]): void {
    this.#core.sayPlaces(places);
    this.#wake();
  }

  /** Throws the other end's refusal (`peer-refused`), why the session is over, or `cancelled`. */
  async open(
    name: string,
    urgent: boolean,
    signal: AbortSignal,
  ): Promise<{ id: number; stream: SessionChannel }> {
    if (this.#over !== undefined) throw this.#over;
    const id = this.#core.open(name, urgent);
    const asking: OwnChannel = { name, answer: Promise.withResolvers() };
    this.#asking.set(id, asking);
    this.#told.onChange(this);
    this.#wake();
    const onAbort = (): void => {
      const why = DockError.from(signal.reason, 'cancelled');
      this.#core.reset(id, why.toData());
      this.#wake();
      this.#unanswered(id, why);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return { id, stream: await asking.answer.promise };
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Of a channel that the other end opens. Throws `peer-gone` when it does not want it any more. */
  accept(id: number): SessionChannel {
    if (!this.#asked.delete(id)) throw new DockError('peer-gone', 'the channel was given up meanwhile');
    const stream = this.#stream(id);
    this.#core.accept(id);
    this.#wake();
    return stream;
  }

  refuse(id: number, error: DockError): void {
    if (!this.#asked.delete(id)) return;
    this.#core.refuse(id, error.toData());
    this.#wake();
  }

  /** What is sent on the channel from now on goes before what is not urgent. */
  raise(id: number): void {
    this.#core.raise(id);
    this.#wake();
  }

  /** All its channels break with this error. Nothing of them is handed on any more when this returns. */
  end(why: DockError, { tell = true } = {}): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    clearInterval(this.#ticker);
    clearTimeout(this.#acknowledging);
    const body = encodeError(why.toData());
    for (const link of this.#links) {
      if (tell) link.bye(body);
      else link.destroy();
    }
    for (const [id] of this.#asking) this.#unanswered(id, why);
    for (const [id, asked] of this.#asked) {
      this.#asked.delete(id);
      asked.abort(why);
    }
    for (const stream of this.#streams.values()) stream.destroy(why);
    this.#streams.clear();
    this.#told.onOver(this, why);
  }

  #stream(id: number): SessionChannel {
    const core = this.#core;
    const stream = new SessionChannel({
      write: (chunk) => {
        const room = core.write(id, chunk);
        this.#wake();
        return room;
      },
      end: () => {
        core.end(id);
        this.#wake();
      },
      reset: (error) => {
        core.reset(id, error);
        this.#wake();
      },
      consumed: (bytes) => {
        core.consumed(id, bytes);
        this.#wake();
      },
    });
    this.#streams.set(id, stream);
    return stream;
  }

  #opening(id: number, name: string): void {
    const gaveUp = new AbortController();
    this.#asked.set(id, gaveUp);
    this.#told.onOpening(this, id, name, gaveUp.signal);
  }

  #accepted(id: number): void {
    const asking = this.#asking.get(id);
    this.#asking.delete(id);
    asking?.answer.resolve(this.#stream(id));
  }

  #unanswered(id: number, error: DockError): void {
    const asking = this.#asking.get(id);
    this.#asking.delete(id);
    asking?.answer.reject(error);
  }

  #broken(id: number, error: DockErrorData): void {
    const why = new DockError('peer-gone', `"${this.names.deviceName}" closed the channel: ${error.message}`);
    this.#unanswered(id, why);
    this.#asked.get(id)?.abort(why);
    this.#asked.delete(id);
    this.#streams.get(id)?.destroy(why);
  }

  #gone(id: number): void {
    // the other end closes only what it has whole; that it acknowledged the end may come later
    this.#streams.get(id)?.finished();
    this.#streams.delete(id);
    this.#told.onChange(this);
  }

  #refusal({ kind, message, detail }: DockErrorData): DockError {
    return new DockError('peer-refused', `"${this.names.deviceName}" refused the channel: ${message}`, {
      detail: { ...detail, kind },
    });
  }

  #farewell({ message, detail }: DockErrorData): DockError {
    return new DockError('peer-gone', `"${this.names.deviceName}" ended the session: ${message}`, {
      ...(detail === undefined ? {} : { detail }),
    });
  }

  #fault(error: DockError): void {
    const { deviceName } = this.names;
    this.end(
      new DockError(
        error.kind,
        `the session with "${deviceName}" was ended, because what came breaks its protocol: ${error.message}; do both run the same version of wdockd?`,
        { cause: error },
      ),
    );
  }

  #lost(link: Link): void {
    this.#links.delete(link);
    this.#core.loseLink(link.state);
    if (this.#over !== undefined) return;
    if (this.#links.size === 0) this.#linklessSince = performance.now();
    this.#told.onChange(this);
    this.#wake();
  }

  #tick(): void {
    const dead = this.#core.tick(performance.now());
    for (const link of this.#links) {
      if (dead.includes(link.state)) link.destroy();
      else link.pump();
    }
  }

  /** Soon, once for all that is said in this turn. */
  #wake(): void {
    if (this.#waking) return;
    this.#waking = true;
    queueMicrotask(() => {
      this.#waking = false;
      for (const link of this.#links) link.pump();
    });
  }

  #acknowledgeSoon(): void {
    if (this.#acknowledging !== undefined || this.#over !== undefined) return;
    this.#acknowledging = setTimeout(() => {
      this.#acknowledging = undefined;
      this.#core.acknowledge();
      for (const link of this.#links) link.pump();
    }, acknowledgeMs);
    this.#acknowledging.unref();
  }
}
