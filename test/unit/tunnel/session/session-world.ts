import { encodeFrame } from '../../../../host-plugins/tunnel/session/encode-frame.ts';
import type { LinkPlace } from '../../../../host-plugins/tunnel/session/frame-bodies.ts';
import { FrameReader } from '../../../../host-plugins/tunnel/session/frame-reader.ts';
import type { LinkState } from '../../../../host-plugins/tunnel/session/link-state.ts';
import { SessionCore, type SessionEvents } from '../../../../host-plugins/tunnel/session/session-core.ts';
import type { DockErrorData } from '../../../../protocol/dock-error.ts';

/** What a program at one end of a channel has seen. */
export interface SeenChannel {
  readonly name: string;
  readonly bytes: number[];
  ended: boolean;
  error: DockErrorData | undefined;
  accepted: boolean;
  finished: boolean;
  gone: boolean;
}

/** One end: accepts whatever is opened, and remembers what comes. `reads` false: a reader that has stopped. */
export class TestEnd {
  readonly core: SessionCore;
  readonly channels = new Map<number, SeenChannel>();
  places: readonly LinkPlace[] = [];
  over: DockErrorData | undefined;
  reads = true;
  #unread = new Map<number, number>();

  constructor(side: 'first' | 'second', accepts: (name: string) => boolean = () => true) {
    const seen = (id: number): SeenChannel => {
      const channel = this.channels.get(id);
      if (channel === undefined) throw new Error(`nothing was said of channel ${id} before`);
      if (channel.gone) throw new Error(`channel ${id} was gone`);
      return channel;
    };
    const events: SessionEvents = {
      opening: (id, name) => {
        if (this.channels.has(id)) throw new Error(`channel ${id} is opened twice`);
        this.note(id, name);
        if (accepts(name)) this.core.accept(id);
        else this.core.refuse(id, { kind: 'conflict', message: `not ${name}` });
      },
      accepted: (id) => {
        seen(id).accepted = true;
      },
      refused: (id, error) => {
        seen(id).error = error;
      },
      data: (id, pieces) => {
        const channel = seen(id);
        if (channel.ended || channel.error !== undefined) throw new Error(`data after the end of ${id}`);
        for (const piece of pieces) {
          channel.bytes.push(...piece);
          if (this.reads) this.core.consumed(id, piece.length);
          else this.#unread.set(id, (this.#unread.get(id) ?? 0) + piece.length);
        }
      },
      ended: (id) => {
        seen(id).ended = true;
      },
      reset: (id, error) => {
        seen(id).error = error;
      },
      writable: () => undefined,
      finished: (id) => {
        const channel = this.channels.get(id);
        if (channel !== undefined) channel.finished = true;
      },
      gone: (id) => {
        seen(id).gone = true;
      },
      places: (places) => {
        this.places = places;
      },
      bye: (error) => {
        this.over = error;
      },
    };
    this.core = new SessionCore(side, events);
  }

  note(id: number, name: string): SeenChannel {
    const channel = {
      name,
      bytes: [],
      ended: false,
      error: undefined,
      accepted: false,
      finished: false,
      gone: false,
    };
    this.channels.set(id, channel);
    return channel;
  }

  open(name: string, urgent = false): number {
    const id = this.core.open(name, urgent);
    this.note(id, name);
    return id;
  }

  readOn(): void {
    this.reads = true;
    for (const [id, bytes] of this.#unread) this.core.consumed(id, bytes);
    this.#unread.clear();
  }
}

/** One direction of a link: what was sent and has yet to arrive. */
interface Way {
  readonly from: TestEnd;
  readonly out: LinkState;
  readonly to: TestEnd;
  readonly in: LinkState;
  readonly reader: FrameReader;
  bytes: Uint8Array[];
  /** Bytes that wait; a link takes no more than so many, as sockets do. */
  waiting: number;
}

const kernelBytes = 256 * 1024;

/** Two ends and the links between them; time passes only when it is told to. */
export class World {
  now = 1_000;
  readonly a: TestEnd;
  readonly b: TestEnd;
  readonly links: { readonly ways: readonly [Way, Way] }[] = [];

  constructor(accepts?: (name: string) => boolean) {
    this.a = new TestEnd('first', accepts);
    this.b = new TestEnd('second', accepts);
  }

  connect(): void {
    const ofA = this.a.core.addLink(this.now);
    const ofB = this.b.core.addLink(this.now);
    const way = (from: TestEnd, out: LinkState, to: TestEnd, into: LinkState): Way => ({
      from,
      out,
      to,
      in: into,
      reader: new FrameReader((frame) => to.core.receive(into, frame, this.now)),
      bytes: [],
      waiting: 0,
    });
    this.links.push({ ways: [way(this.a, ofA, this.b, ofB), way(this.b, ofB, this.a, ofA)] });
  }

  /** Lets each end give the link what it takes now. */
  send(at: number): void {
    for (const way of this.links[at]?.ways ?? []) {
      while (way.waiting < kernelBytes) {
        const frame = way.from.core.next(way.out, this.now);
        if (frame === undefined) break;
        for (const piece of encodeFrame(frame)) {
          // copied as the wire does: nobody shares a buffer with the other end
          way.bytes.push(piece.slice());
          way.waiting += piece.length;
        }
      }
    }
  }

  /** Lets up to so many bytes of one direction arrive, in chunks that know nothing of frames. */
  deliver(at: number, direction: 0 | 1, most: number): void {
    const way = this.links[at]?.ways[direction];
    if (way === undefined) return;
    let left = most;
    while (left > 0) {
      const [first] = way.bytes;
      if (first === undefined) return;
      const piece = first.subarray(0, left);
      if (piece.length === first.length) way.bytes.shift();
      else way.bytes[0] = first.subarray(piece.length);
      left -= piece.length;
      way.waiting -= piece.length;
      way.reader.push(piece);
    }
  }

  /** The link is gone, with what was on it. */
  cut(at: number): void {
    const [link] = this.links.splice(at, 1);
    if (link === undefined) return;
    for (const way of link.ways) way.from.core.loseLink(way.out);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const end of [this.a, this.b]) {
      end.core.acknowledge();
      for (const dead of end.core.tick(this.now)) {
        this.cut(this.links.findIndex(({ ways }) => ways.some((way) => way.out === dead)));
      }
    }
  }

  /** Everything arrives, over the links that there are, until nothing is left to say. */
  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      this.pass(20);
      let moved = false;
      for (let at = 0; at < this.links.length; at++) {
        this.send(at);
        for (const direction of [0, 1] as const) {
          moved ||= (this.links[at]?.ways[direction].waiting ?? 0) > 0;
          this.deliver(at, direction, Number.POSITIVE_INFINITY);
        }
      }
      quiet = moved ? 0 : quiet + 1;
    }
  }
}
