/**
 * Streams that a fuzzer found worth keeping, or that somebody thought of: they come to the second-opened end of
 * `established()` in frame-reader.test.ts. In hexadecimal, with what has to become of them.
 */
export const seeds: readonly (readonly [hex: string, expected: 'taken' | 'refused'])[] = [
  // nothing, and half a frame
  ['', 'taken'],
  ['040000', 'taken'],
  // a have of frames that were never sent; one whose bits say so
  ['210000060000ffffffff', 'refused'],
  ['210000070000000000' + '00ff', 'refused'],
  // a ping; a pong that nobody asked for
  ['2200000400000001', 'taken'],
  ['2300000400000099', 'taken'],
  // a number far beyond what may be under way
  ['0600000e' + '00000000ffff' + '00000001' + '00000001', 'refused'],
  // data of a channel of this end that is not open
  ['0400000f' + '000000000010' + '00000088' + '00000000' + '00', 'refused'],
  // an accept of the session itself
  ['02000014' + '000000000010' + '00000000' + '00000000' + '000000000000', 'refused'],
  // a bye that is no JSON
  ['240000027b7b', 'refused'],
];
