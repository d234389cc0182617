import { decodeImage, digestText, encodeImage } from '../../../host-plugins/pages/kept/image.ts';
import { Sealing, unseal } from '../../../host-plugins/pages/kept/seal.ts';
import { encodeFrame } from '../../../host-plugins/tunnel/session/encode-frame.ts';
import { bodyBytes, type Frame, maxNumber } from '../../../host-plugins/tunnel/session/frame.ts';
import { FrameReader, joinPieces } from '../../../host-plugins/tunnel/session/frame-reader.ts';
import { DockError, type DockErrorKind } from '../../../protocol/dock-error.ts';
import { contentOf } from '../pages/any-stream.ts';
import { type BuiltPage, StreamBuilder } from '../pages/built-stream.ts';
import { keep, key, machine, StoreFolder } from '../pages/kept-fixture.ts';
import { SyncReceiver, SyncSender, sourceOf } from '../pages/sync-exchange.ts';
import { established, offer } from '../tunnel/session/hostile-session.ts';
import type { Dice } from './dice.ts';
import { mutate } from './mutate.ts';

/** Throws for a case in which something happens that must not. */
export type Target = (dice: Dice) => void;

/** What is fuzzed, by name. Each is made once in a thread, and then called for one case after the other. */
export const targets: Readonly<Record<string, () => Target>> = {
  /** The tunnel's frames: what is accepted is, written again, what came. */
  frames: () => (dice) => {
    const bytes = mutate(
      joinPieces(dice.times(1 + dice.below(8), () => anyFrame(dice)).flatMap(encodeFrame)),
      dice,
    );
    const accepted: Frame[] = [];
    const reader = new FrameReader((frame) => accepted.push(frame));
    refusing(['protocol'], () => inPieces(bytes, dice, (piece) => reader.push(piece)));
    const again = Buffer.from(joinPieces(accepted.flatMap(encodeFrame)));
    if (!again.equals(bytes.subarray(0, again.length))) throw new Error('a frame was read as another one');
  },

  /** A session of the tunnel in the middle of its life. */
  sessions: () => {
    const { next } = established();
    return (dice) => void offer(mutate(next, dice));
  },

  /** A stream that is nearly QEMU's: it comes out as it went in. */
  streams: () => (dice) => {
    const stream = mutate(anyStream(dice), dice);
    const { output } = exchanged(stream, dice);
    if (!output.equals(stream)) throw new Error('the stream came out as another one');
  },

  /** What the page exchange sends: of what comes out of it, damaged, nothing is wrong. */
  batches: () => (dice) => {
    const stream = anyStream(dice);
    const { frames, sources } = exchanged(stream, dice);
    const receiver = new SyncReceiver(sources, { recentPages });
    const bytes = mutate(Buffer.concat(frames), dice);
    refusing(['protocol'], () => inPieces(bytes, dice, (piece) => receiver.push(piece)));
    const output = Buffer.concat(receiver.output);
    if (!output.equals(stream.subarray(0, output.length))) throw new Error('a wrong byte came out');
  },

  /** Kept memory's image: sealed, any change is noticed; and what comes out of one that is not is of one piece. */
  images: () => {
    const { encoded, sealed } = anImage();
    return (dice) => {
      const damaged = mutate(sealed, dice);
      if (!damaged.equals(sealed)) {
        const opened = refusing(['untrusted'], () => unseal(key, damaged, machine));
        if (opened !== undefined) throw new Error('a damaged seal was opened');
      }
      const image = refusing(['protocol'], () => decodeImage(mutate(encoded, dice)));
      if (image !== undefined && digestText(image.list) !== image.digest)
        throw new Error('a list under a wrong name');
    };
  },
};

/** What it returns; undefined where it throws one of these, as it may. */
function refusing<T>(kinds: readonly DockErrorKind[], action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof DockError && kinds.includes(error.kind)) return undefined;
    throw error;
  }
}

function inPieces(bytes: Buffer, dice: Dice, push: (piece: Buffer) => void): void {
  const most = dice.pick([bytes.length >> 6, bytes.length >> 4, 5000, 65_536].map((length) => length || 1));
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + dice.below(most);
    push(bytes.subarray(at, at + length));
    at += length;
  }
}

function anyFrame(dice: Dice): Frame {
  const kind = dice.pick(Object.keys(bodyBytes) as Frame['kind'][]);
  const [least, most] = bodyBytes[kind];
  const body = dice.bytes(Math.min(most, least + dice.below(60)));
  const word = () => dice.below(0xffff_ffff);
  if (kind === 'have') return { kind, base: dice.below(maxNumber), bits: dice.bytes(dice.below(20)) };
  if (kind === 'ping' || kind === 'pong') return { kind, token: word() };
  if (kind === 'bye') return { kind, body };
  const place = { number: dice.below(maxNumber), channel: word(), place: word() };
  return { kind, ...place, answer: dice.below(2) === 0, body: body.length === 0 ? [] : [body] };
}

function anyStream(dice: Dice): Buffer {
  const builder = new StreamBuilder();
  for (let sections = 1 + dice.below(3); sections > 0; sections--) {
    const first = dice.below(2000);
    const page = (at: number): BuiltPage => ({
      block: dice.below(8) === 0 ? 'pc.bios' : 'base',
      page: dice.below(4) === 0 ? dice.below(32) : first + at,
      content: dice.below(3) === 0 ? undefined : contentOf(dice.below(40)),
    });
    builder.section(dice.times(dice.below(6), page));
    if (dice.below(4) === 0) builder.raw(dice.bytes(dice.below(40)));
  }
  if (dice.below(2) === 0) builder.section([], true);
  return builder.build();
}

/** Few, so that they are soon used again. */
const recentPages = 16;

/** Through both ends, with a source that has some of the pages. */
function exchanged(stream: Buffer, dice: Dice) {
  const sources = [sourceOf(dice.times(dice.below(8), (at) => contentOf(at * 3)))];
  const level = dice.below(2);
  const sender = new SyncSender(sources, { level, recentPages });
  const receiver = new SyncReceiver(sources, { recentPages });
  const frames: Buffer[] = [];
  const carry = () => {
    for (const frame of sender.frames.splice(0)) {
      frames.push(frame);
      receiver.push(frame, (number) => sender.again(number));
    }
  };
  inPieces(stream, dice, (piece) => {
    sender.push(piece);
    if (dice.below(16) === 0) sender.flush();
    carry();
  });
  sender.flush();
  carry();
  return { output: Buffer.concat(receiver.output), frames, sources };
}

function anImage(): { encoded: Buffer; sealed: Buffer } {
  using store = new StoreFolder();
  const { image } = keep(store, [1, 2, 3, 0, 4, 1, 5]);
  const parts = encodeImage(image);
  return { encoded: Buffer.concat(parts), sealed: new Sealing(key).seal(parts, machine) };
}
