import type { Epoch } from '../../protocol/hand-over-messages.ts';
import { highestEpoch, type Position } from './position.ts';
import { commit, emit, type HandOverSettings, type Input, type Step } from './state.ts';

/**
 * Whether a message proves that `epoch` of ours is history. It can, after a person's force, at a device that was
 * thought lost. Only the peer of this hand-over and the home device are believed. When two people forced the same
 * epoch on both sides, the greater device id keeps it.
 */
export function supersededBy(
  input: Input,
  position: Position,
  epoch: Epoch,
  settings: HandOverSettings,
): Epoch | undefined {
  if (input.in !== 'message') return undefined;
  if (input.from !== position.peer && input.from !== settings.home) return undefined;
  const { say, epoch: theirs } = input.message;
  if (say !== 'running' && say !== 'moved') return undefined;
  if (theirs > epoch) return theirs;
  if (say === 'running' && theirs === epoch && position.at === 'owner' && input.from > settings.self)
    return theirs;
  return undefined;
}

/** Ends the copy here, whatever it is: a newer one exists. */
export function yieldTo(granted: Epoch, position: Position): Step {
  const away: Position = {
    at: 'away',
    granted,
    voided: Math.max(granted, highestEpoch(position)),
    ...(position.peer === undefined ? {} : { peer: position.peer }),
  };
  return {
    state: { position: away },
    effects: [
      commit(away, `superseded by epoch ${granted} of another device`),
      { do: 'quit' },
      emit({ kind: 'superseded', epoch: granted }),
    ],
  };
}
