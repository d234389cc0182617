import type { Dice } from './dice.ts';

const changes = ['set', 'flip', 'flip', 'cut', 'repeat', 'insert', 'swap', 'end'] as const;

/** What a broken disk, a broken program or a hostile one might make of these bytes: one to six changes. */
export function mutate(bytes: Uint8Array, dice: Dice): Buffer {
  let mutated = Buffer.from(bytes);
  for (let left = 1 + dice.below(6); left > 0 && mutated.length > 0; left--) mutated = changed(mutated, dice);
  return mutated;
}

function changed(bytes: Buffer, dice: Dice): Buffer<ArrayBuffer> {
  const at = dice.below(bytes.length);
  const length = 1 + dice.below(64);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (dice.pick(changes)) {
    case 'set':
      return Buffer.concat([head, dice.bytes(1), tail.subarray(1)]);
    case 'flip':
      return Buffer.concat([head, Uint8Array.of((tail[0] ?? 0) ^ (1 << dice.below(8))), tail.subarray(1)]);
    case 'cut':
      return Buffer.concat([head, tail.subarray(length)]);
    case 'repeat':
      return Buffer.concat([head, tail.subarray(0, length), tail]);
    case 'insert':
      return Buffer.concat([head, dice.bytes(length), tail]);
    case 'swap':
      return Buffer.concat([head, tail.subarray(length), tail.subarray(0, length)]);
    case 'end':
      return Buffer.from(head);
  }
}
