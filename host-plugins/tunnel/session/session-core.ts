import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import { ChannelState, firstCreditBytes, maxCreditBytes } from './channel-state.ts';
import { bytesOf, encodeNumber } from './encode-frame.ts';
import {
  type Frame,
  isNumbered,
  maxChannel,
  maxDataBytes,
  type NumberedFrame,
  type NumberedKind,
} from './frame.ts';
import {
  decodeError,
  decodeOpen,
  decodePlaces,
  encodeError,
  encodeOpen,
  encodePlaces,
  type LinkPlace,
} from './frame-bodies.ts';
import { joinPieces, readNumber } from './frame-reader.ts';
import { LinkState } from './link-state.ts';
import { ReceiveWindow } from './receive-window.ts';
import { type Kept, SendWindow } from './send-window.ts';

/** Channels that one end may have opened at a time; each has at least its first credit. */
const maxChannels = 2048;
/** Credit beyond the first that one end gives to all channels together, bytes. */
const creditBudgetBytes = 32 * 1024 * 1024;
/** Of frames of data, one in so many is not urgent where both wait: what is urgent never starves the rest. */
const bulkTurn = 8;
/** What a numbered frame costs besides its payload, bytes; so that many small ones fill a window as well. */
const frameCostBytes = 32;
/** With another link at hand, one that says nothing for so long gets its frames taken away, ms. */
const suspectAfterMs = 1_000;
/** A link that has to answer and says nothing for so long is lost, ms. */
const deadAfterMs = 3_000;
/** Between looks at the links; one that comes much later means that this process did not run, ms. */
export const tickMs = 250;
const sleptMs = 1_000;

/** What happens to the channels and links; called in the middle of `receive` and `next`, and may call back. */
export interface SessionEvents {
  /** The other end asks; to be answered with `accept` or `refuse`. */
  opening(channel: number, name: string, urgent: boolean): void;
  accepted(channel: number): void;
  refused(channel: number, error: DockErrorData): void;
  data(channel: number, pieces: readonly Uint8Array[]): void;
  ended(channel: number): void;
  /** It broke over there, or the other end gave it up. */
  reset(channel: number, error: DockErrorData): void;
  /** The queue has room again. */
  writable(channel: number): void;
  /** The other end has everything up to the end. */
  finished(channel: number): void;
  /** Both ends are done with it; its number is not used again. */
  gone(channel: number): void;
  places(places: readonly LinkPlace[]): void;
  bye(error: DockErrorData): void;
}

/**
 * One end of a session without its sockets and clocks: what is to be sent comes out of `next`, link by link, and
 * what arrives goes into `receive`. Frames are numbered when a link takes them. What was on a link that is lost goes
 * out again on another, and nothing is handed on twice or out of its channel's order. Throws `protocol` for what the
 * other end must not do; then the session is over.
 */
export class SessionCore {
  readonly #events: SessionEvents;
  readonly #sent = new SendWindow();
  readonly #received = new ReceiveWindow();
  readonly #links = new Set<LinkState>();
  readonly #channels = new Map<number, ChannelState>();
  /** Numbers of channels that the other end opens have this parity. */
  readonly #theirParity: 0 | 1;
  #nextChannel: number;
  /** The session's own, for what belongs to no channel. */
  readonly #self = new ChannelState(0, '', true);
  /** Frames of channels whose `open` has yet to come. */
  readonly #orphans = new Map<number, ChannelState>();
  /** Waiting to be sent; what is in both sets of one channel goes out in the order of its places. */
  readonly #notes: {
    readonly kind: NumberedKind;
    readonly channel: ChannelState;
    readonly body: Uint8Array[];
  }[] = [];
  readonly #credits = new Set<ChannelState>();
  readonly #urgent = new Set<ChannelState>();
  readonly #bulk = new Set<ChannelState>();
  readonly #again: { readonly urgent: Kept[]; readonly bulk: Kept[] } = { urgent: [], bulk: [] };
  #urgentTurns = 0;
  #extraCredit = 0;
  #lookedAt: number | undefined;
  #openTheirs = 0;
  #resentBytes = 0;

  constructor(side: 'first' | 'second', events: SessionEvents) {
    this.#events = events;
    this.#nextChannel = side === 'first' ? 2 : 1;
    this.#theirParity = side === 'first' ? 1 : 0;
    this.#self.state = 'open';
  }

  // --- links

  addLink(now: number): LinkState {
    const link = new LinkState(now);
    this.#links.add(link);
    return link;
  }

  loseLink(link: LinkState): void {
    this.#links.delete(link);
    this.#takeBack(link);
    for (const other of this.#links) other.haveDue = true; // what it should have said
  }

  /** Every `tickMs`. Returns the links that have to be given up. */
  tick(now: number): LinkState[] {
    const slept = this.#lookedAt !== undefined && now - this.#lookedAt > sleptMs;
    this.#lookedAt = now;
    const dead: LinkState[] = [];
    for (const link of this.#links) {
      if (slept) link.forgive(now);
      const silentMs = link.silentMs(now);
      if (silentMs > deadAfterMs) dead.push(link);
      else if (silentMs > suspectAfterMs && !link.suspect && this.#hasOther(link)) {
        link.suspect = true;
        this.#takeBack(link);
      }
    }
    return dead;
  }

  // --- channels

  /** Throws `conflict` when too many are open. */
  open(name: string, urgent: boolean): number {
    if (this.#nextChannel > maxChannel) throw new DockError('internal', 'a session has used up its channels');
    if (this.#channels.size - this.#openTheirs >= maxChannels) {
      throw new DockError('conflict', `${maxChannels} channels to that device are open already`);
    }
    const channel = new ChannelState(this.#nextChannel, name, urgent);
    this.#nextChannel += 2;
    this.#channels.set(channel.id, channel);
    this.#note('open', channel, encodeOpen(name, urgent, channel.granted));
    return channel.id;
  }

  accept(id: number): void {
    const channel = this.#channels.get(id);
    if (channel?.state !== 'asked') return;
    channel.state = 'open';
    channel.answered = true;
    this.#note('accept', channel, encodeNumber(channel.granted));
  }

  refuse(id: number, error: DockErrorData): void {
    this.#finish(this.#channels.get(id), 'refuse', error);
  }

  /** Queues it; false: wait for `writable` before more. The bytes must not be changed any more. */
  write(id: number, chunk: Uint8Array): boolean {
    const channel = this.#channels.get(id);
    if (channel?.state !== 'open' || channel.end !== 'none') return true;
    if (chunk.length > 0) channel.add(chunk);
    this.#wake(channel);
    return !channel.full;
  }

  end(id: number): void {
    const channel = this.#channels.get(id);
    if (channel?.state !== 'open' || channel.end !== 'none') return;
    channel.end = 'wanted';
    this.#wake(channel);
  }

  reset(id: number, error: DockErrorData): void {
    this.#finish(this.#channels.get(id), 'reset', error);
  }

  /** From now on its data goes before what is not urgent. */
  raise(id: number): void {
    const channel = this.#channels.get(id);
    if (channel === undefined || channel.urgent) return;
    channel.urgent = true;
    this.#bulk.delete(channel);
    this.#wake(channel);
    for (const kept of [...this.#again.bulk]) {
      if (kept.frame.channel !== id) continue;
      this.#again.bulk.splice(this.#again.bulk.indexOf(kept), 1);
      this.#again.urgent.push(kept);
    }
  }

  /** The reader has taken so much, and as much may come. */
  consumed(id: number, bytes: number): void {
    const channel = this.#channels.get(id);
    if (channel === undefined) return;
    channel.consumedBytes += bytes;
    if (channel.state !== 'open' || channel.endedThere) return;
    const used = channel.granted - channel.consumedBytes;
    if (used > channel.windowBytes / 2) return;
    // Whoever reads as fast as it comes is held back by its credit alone, and gets more.
    const more = Math.min(channel.windowBytes, maxCreditBytes - channel.windowBytes);
    if (
      more > 0 &&
      channel.receivedBytes === channel.consumedBytes &&
      this.#extraCredit + more <= creditBudgetBytes
    ) {
      channel.windowBytes += more;
      this.#extraCredit += more;
    }
    channel.granted = channel.consumedBytes + channel.windowBytes;
    this.#credits.add(channel);
  }

  sayPlaces(places: readonly LinkPlace[]): void {
    this.#note('places', this.#self, encodePlaces(places));
  }

  // --- what goes out

  /** What this link shall carry now; undefined: nothing, until something changes. */
  next(link: LinkState, now: number): Frame | undefined {
    const own = this.#linkFrame(link, now);
    if (own !== undefined) return own;
    if (!link.ready || link.suspect || !link.pace.hasRoom(now)) return undefined;
    const again = this.#nextAgain(this.#again.urgent);
    if (again !== undefined) return this.#resend(again, link, now);
    if (this.#sent.hasRoom(true)) {
      const note = this.#nextNote();
      if (note !== undefined) return this.#number(note.kind, note.channel, note.body, link, now);
    }
    const bulkFirst = this.#urgentTurns >= bulkTurn;
    if (bulkFirst) this.#urgentTurns = 0;
    return (
      (bulkFirst ? this.#nextBulk(link, now) : undefined) ??
      this.#nextUrgent(link, now) ??
      this.#nextBulk(link, now)
    );
  }

  #nextUrgent(link: LinkState, now: number): Frame | undefined {
    if (!this.#sent.hasRoom(true)) return undefined;
    const frame = this.#nextData(this.#urgent, link, now);
    if (frame !== undefined) this.#urgentTurns++;
    return frame;
  }

  #nextBulk(link: LinkState, now: number): Frame | undefined {
    this.#urgentTurns = 0;
    const again = this.#nextAgain(this.#again.bulk);
    if (again !== undefined) return this.#resend(again, link, now);
    return this.#sent.hasRoom(false) ? this.#nextData(this.#bulk, link, now) : undefined;
  }

  #linkFrame(link: LinkState, now: number): Frame | undefined {
    if (link.haveDue) {
      link.haveDue = false;
      link.owes = false;
      return this.#received.have();
    }
    return link.nextPong() ?? link.nextPing(now);
  }

  #nextNote(): { kind: NumberedKind; channel: ChannelState; body: Uint8Array[] } | undefined {
    const note = this.#notes.shift();
    if (note !== undefined) return note;
    for (const channel of this.#credits) {
      this.#credits.delete(channel);
      if (channel.state === 'open') return { kind: 'credit', channel, body: [encodeNumber(channel.granted)] };
    }
    return undefined;
  }

  /** In turn: a channel that was served goes to the end of its queue. */
  #nextData(ready: Set<ChannelState>, link: LinkState, now: number): Frame | undefined {
    for (const channel of ready) {
      ready.delete(channel);
      if (!channel.sendable) continue;
      if (channel.queuedBytes === 0) {
        channel.end = 'sent';
        const frame = this.#number('end', channel, [], link, now);
        this.#closeIfDone(channel);
        return frame;
      }
      const frame = this.#number('data', channel, channel.take(maxDataBytes), link, now);
      if (channel.sendable) ready.add(channel);
      if (channel.relieved()) this.#events.writable(channel.id);
      return frame;
    }
    return undefined;
  }

  #number(
    kind: NumberedKind,
    channel: ChannelState,
    body: readonly Uint8Array[],
    link: LinkState,
    now: number,
  ): NumberedFrame {
    const bytes = bytesOf(body) + frameCostBytes;
    const answer = link.wantsAnswer(bytes, now);
    const frame = {
      kind,
      number: this.#sent.nextNumber,
      channel: channel.id,
      place: channel.nextPlace++,
      answer,
      body,
    };
    this.#sent.keep(link.carry(frame, bytes, now));
    if (kind === 'close' || kind === 'reset' || kind === 'refuse') {
      channel.lastSent = true;
      this.#goneIfDone(channel);
    }
    return frame;
  }

  #resend(kept: Kept, link: LinkState, now: number): NumberedFrame {
    this.#resentBytes += kept.bytes;
    const answer = link.wantsAnswer(kept.bytes, now);
    const frame = { ...kept.frame, answer };
    Object.assign(kept, link.carry(frame, kept.bytes, now));
    return frame;
  }

  #nextAgain(waiting: Kept[]): Kept | undefined {
    for (let kept = waiting.shift(); kept !== undefined; kept = waiting.shift()) {
      if (this.#sent.has(kept) && kept.link === undefined) return kept;
    }
    return undefined;
  }

  #takeBack(link: LinkState): void {
    for (const kept of this.#sent.takeFrom(link.pace)) {
      const channel = this.#channels.get(kept.frame.channel);
      const bulk = kept.frame.kind === 'data' && channel !== undefined && !channel.urgent;
      this.#again[bulk ? 'bulk' : 'urgent'].push(kept);
    }
    link.pace.emptied();
  }

  #hasOther(link: LinkState): boolean {
    for (const other of this.#links) if (other !== link && other.ready && !other.suspect) return true;
    return false;
  }

  #note(kind: NumberedKind, channel: ChannelState, body: Uint8Array): void {
    this.#notes.push({ kind, channel, body: body.length === 0 ? [] : [body] });
  }

  #wake(channel: ChannelState): void {
    if (channel.sendable) (channel.urgent ? this.#urgent : this.#bulk).add(channel);
  }

  // --- what comes in

  receive(link: LinkState, frame: Frame, now: number): void {
    link.heard(now);
    if (isNumbered(frame)) {
      link.used(now);
      if (frame.answer) link.haveDue = true;
      link.owes = true;
      if (this.#received.take(frame.number)) this.#sort(frame);
      return;
    }
    switch (frame.kind) {
      case 'have':
        link.ready = true;
        for (const kept of this.#sent.acknowledge(frame)) {
          kept.link?.delivered(kept, now);
          if (kept.frame.kind === 'end') this.#events.finished(kept.frame.channel);
        }
        return;
      case 'ping':
        link.asked(frame.token);
        return;
      case 'pong':
        link.ponged(frame.token, now);
        return;
      case 'bye':
        this.#events.bye(decodeError(frame.body));
        return;
    }
  }

  /** What has arrived and is not said yet is said now; for what nobody asks about, a little later. */
  acknowledge(): void {
    for (const link of this.#links) if (link.owes) link.haveDue = true;
  }

  /** Into the order of its channel. */
  #sort(frame: NumberedFrame): void {
    const channel = this.#channelOf(frame);
    if (frame.kind === 'data') {
      channel.arrivedBytes += bytesOf(frame.body);
      if (channel.arrivedBytes > channel.granted) {
        throw new DockError('protocol', `channel ${channel.id} got more than it has room for`);
      }
    }
    if (frame.place !== channel.expectedPlace) {
      if (frame.place < channel.expectedPlace || channel.early.has(frame.place)) {
        throw new DockError('protocol', `place ${frame.place} of channel ${channel.id} came twice`);
      }
      channel.early.set(frame.place, frame);
      return;
    }
    for (let next: NumberedFrame | undefined = frame; next !== undefined; ) {
      channel.expectedPlace++;
      this.#handle(channel, next);
      next = channel.early.get(channel.expectedPlace);
      channel.early.delete(channel.expectedPlace);
    }
  }

  #channelOf(frame: NumberedFrame): ChannelState {
    const { channel: id } = frame;
    if (id === 0) return this.#self;
    const known = this.#channels.get(id) ?? this.#orphans.get(id);
    if (known !== undefined) return known;
    if (id % 2 !== this.#theirParity) {
      throw new DockError('protocol', `a frame "${frame.kind}" of channel ${id}, which is not open`);
    }
    if (this.#openTheirs + this.#orphans.size >= maxChannels) {
      throw new DockError('protocol', `it opens more than ${maxChannels} channels`);
    }
    // its `open` is on its way over another link, or is this very frame
    const orphan = new ChannelState(id, '', false);
    this.#orphans.set(id, orphan);
    return orphan;
  }

  #handle(channel: ChannelState, frame: NumberedFrame): void {
    const { kind } = frame;
    if (kind === 'places') {
      if (channel !== this.#self) throw misplaced(frame);
      this.#events.places(decodePlaces(joinPieces(frame.body)));
      return;
    }
    if (channel === this.#self) throw misplaced(frame);
    if ((kind === 'open') !== this.#orphans.has(channel.id)) throw misplaced(frame);
    if (channel.overThere) throw misplaced(frame);
    switch (kind) {
      case 'open':
        this.#opened(channel, frame);
        return;
      case 'accept':
        if (channel.id % 2 === this.#theirParity || channel.answered) throw misplaced(frame);
        channel.answered = true;
        channel.credit = readNumber(joinPieces(frame.body), 0);
        if (channel.state !== 'asked') return; // given up meanwhile
        channel.state = 'open';
        this.#events.accepted(channel.id);
        return;
      case 'data': {
        if (channel.endedThere || !channel.answered) throw misplaced(frame);
        channel.receivedBytes += bytesOf(frame.body);
        if (channel.state === 'open') this.#events.data(channel.id, frame.body);
        return;
      }
      case 'credit': {
        const credit = readNumber(joinPieces(frame.body), 0);
        if (!channel.answered) throw misplaced(frame);
        if (credit < channel.credit)
          throw new DockError('protocol', `the credit of channel ${channel.id} shrinks`);
        channel.credit = credit;
        this.#wake(channel);
        return;
      }
      case 'end':
        if (channel.endedThere || !channel.answered) throw misplaced(frame);
        channel.endedThere = true;
        if (channel.state === 'open') this.#events.ended(channel.id);
        this.#closeIfDone(channel);
        return;
      case 'close':
        if (!channel.endedThere && channel.state !== 'over') throw misplaced(frame);
        this.#overThere(channel);
        return;
      case 'refuse':
      case 'reset': {
        const error = decodeError(joinPieces(frame.body));
        const { state } = channel;
        if (kind === 'refuse' && (channel.id % 2 === this.#theirParity || channel.answered))
          throw misplaced(frame);
        this.#overThere(channel);
        if (state === 'over') return;
        if (kind === 'refuse') this.#events.refused(channel.id, error);
        else this.#events.reset(channel.id, error);
        return;
      }
    }
  }

  #opened(channel: ChannelState, frame: NumberedFrame): void {
    const { name, urgent, credit } = decodeOpen(joinPieces(frame.body));
    Object.assign(channel, { name, urgent, credit });
    this.#orphans.delete(channel.id);
    this.#channels.set(channel.id, channel);
    this.#openTheirs++;
    this.#events.opening(channel.id, name, urgent);
  }

  #overThere(channel: ChannelState): void {
    channel.overThere = true;
    if (channel.state !== 'over') this.#finish(channel, 'close');
    else this.#goneIfDone(channel);
  }

  #closeIfDone(channel: ChannelState): void {
    if (channel.state === 'open' && channel.end === 'sent' && channel.endedThere)
      this.#finish(channel, 'close');
  }

  /** The last frame of this end; what waits is dropped. */
  #finish(
    channel: ChannelState | undefined,
    kind: 'close' | 'refuse' | 'reset',
    error?: DockErrorData,
  ): void {
    if (channel === undefined || channel.state === 'over') return;
    channel.state = 'over';
    channel.dropQueue();
    this.#urgent.delete(channel);
    this.#bulk.delete(channel);
    this.#credits.delete(channel);
    this.#extraCredit -= channel.windowBytes - firstCreditBytes;
    channel.windowBytes = firstCreditBytes;
    this.#note(kind, channel, error === undefined ? new Uint8Array() : encodeError(error));
  }

  #goneIfDone(channel: ChannelState): void {
    if (!channel.lastSent || !channel.overThere || !this.#channels.delete(channel.id)) return;
    if (channel.id % 2 === this.#theirParity) this.#openTheirs--;
    this.#events.gone(channel.id);
  }

  // --- how it stands

  get resentBytes(): number {
    return this.#resentBytes;
  }

  /** Kept until the other end has it. */
  get underWayBytes(): number {
    return this.#sent.bytes;
  }

  /** This end has opened it. */
  isOwn(channel: number): boolean {
    return channel % 2 !== this.#theirParity;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Nothing waits to be sent, nor to be acknowledged. */
  get calm(): boolean {
    return this.#sent.frames === 0 && this.#notes.length === 0;
  }
}

function misplaced(frame: NumberedFrame): DockError {
  return new DockError(
    'protocol',
    `a frame "${frame.kind}" of channel ${frame.channel} that has no place there`,
  );
}
