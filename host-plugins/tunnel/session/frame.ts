/**
 * What travels over a link. Each frame is one byte of kind, three of length (of what follows), and a body.
 *
 * Numbered frames are kept by their sender until the other end has said that it has them, and may come over any
 * link, out of order, and twice. Their body begins with the session's number (six bytes), the channel (four; 0 is the
 * session itself) and the place within the channel (four): a channel is read in the order of its places, whatever
 * the other channels wait for. `answer` (the highest bit of the kind) asks for a `have` at once.
 *
 * Link frames are about one link, or about what has arrived, and are never sent again.
 */
export interface NumberedFrame {
  readonly kind: NumberedKind;
  readonly number: number;
  readonly channel: number;
  readonly place: number;
  readonly answer: boolean;
  readonly body: readonly Uint8Array[];
}

export type NumberedKind =
  /** May it be opened: urgency, credit for the answer's bytes, name. */
  | 'open'
  /** It is: credit. */
  | 'accept'
  /** It is not: why. The last frame of this end. */
  | 'refuse'
  | 'data'
  /** How many bytes may be sent in all, from the channel's beginning. */
  | 'credit'
  /** No more data of this end. */
  | 'end'
  /** Both ends have said `end`. The last frame of this end. */
  | 'close'
  /** It broke: why. The last frame of this end. */
  | 'reset'
  /** Where else this end can be reached; of channel 0. */
  | 'places';

export type LinkFrame =
  /** All numbers below `base` have arrived, and those whose bit is set, counted from `base` on. */
  | { readonly kind: 'have'; readonly base: number; readonly bits: Uint8Array }
  | { readonly kind: 'ping' | 'pong'; readonly token: number }
  /** The session is over: why. */
  | { readonly kind: 'bye'; readonly body: Uint8Array };

export type Frame = NumberedFrame | LinkFrame;

/** Numbers that may be under way at once: how far a `have` reaches, and more would break the protocol. */
export const maxFramesUnderWay = 4096;
export const maxDataBytes = 64 * 1024;
export const maxTextBytes = 16 * 1024;
export const numberedHeadBytes = 14;
/** 2^48 - 1: a session that has sent so many frames would be older than the universe. */
export const maxNumber = 0xffff_ffff_ffff;
export const maxChannel = 0xffff_ffff;

export const kindCodes = {
  open: 1,
  accept: 2,
  refuse: 3,
  data: 4,
  credit: 5,
  end: 6,
  close: 7,
  reset: 8,
  places: 9,
  have: 0x21,
  ping: 0x22,
  pong: 0x23,
  bye: 0x24,
} as const satisfies Record<Frame['kind'], number>;

export const answerBit = 0x80;

/** How long bodies may be, least and most, bytes; of numbered frames without their head. */
export const bodyBytes: Readonly<Record<Frame['kind'], readonly [least: number, most: number]>> = {
  open: [8, 7 + 512],
  accept: [6, 6],
  refuse: [2, maxTextBytes],
  data: [1, maxDataBytes],
  credit: [6, 6],
  end: [0, 0],
  close: [0, 0],
  reset: [2, maxTextBytes],
  places: [2, maxTextBytes],
  have: [6, 6 + maxFramesUnderWay / 8],
  ping: [4, 4],
  pong: [4, 4],
  bye: [2, maxTextBytes],
};

export function isNumbered(frame: Frame): frame is NumberedFrame {
  return 'number' in frame;
}
