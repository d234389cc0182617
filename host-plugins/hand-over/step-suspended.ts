import { supersededBy, yieldTo } from './claims.ts';
import { forceLeap, highestEpoch, type Position } from './position.ts';
import {
  commit,
  emit,
  type HandOverSettings,
  type Input,
  type Say,
  type Step,
  type SuspendedState,
  send,
  stay,
} from './state.ts';

/**
 * Owns a VM that runs nowhere and is whole in its image: gives it to the one device that has the image and asks for it,
 * or lets it run here once it was loaded from there. Every QEMU of it that is found here is one that never ran.
 */
export function stepSuspended(state: SuspendedState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const newer = supersededBy(input, position, position.epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  const moved: Say = { say: 'moved', epoch: position.epoch };
  switch (input.in) {
    case 'offer':
      return offer(state, input.peer);
    case 'vm-loaded':
      return wake(state);
    case 'message':
      return stay(state, ...answer(state, input.from, input.message));
    case 'link-up': {
      const concerned = input.peer === position.peer || input.peer === settings.home;
      return stay(state, ...(concerned ? send(input.peer, moved) : []));
    }
    case 'force':
      return stay({ ...state, forcing: true }, { do: 'inspect-disk', epoch: position.epoch });
    case 'disk-inspected':
      return state.forcing ? force(state) : stay(state);
    case 'save':
    case 'save-failed':
    case 'image-whole':
      return stay(state, emit({ kind: 'rejected', what: 'save', reason: 'it is suspended already' }));
    case 'cancel':
      return stay(state, emit({ kind: 'rejected', what: 'cancel', reason: 'no hand-over is under way' }));
    case 'journal-failed': {
      const reason = `the journal could not be written: ${input.reason}`;
      const what =
        input.position.at === 'offering' ? 'offer' : input.position.at === 'waking' ? 'wake' : 'force';
      return stay({ position }, emit({ kind: 'rejected', what, reason }));
    }
    default:
      return stay(state);
  }
}

function offer(state: SuspendedState, peer: string): Step {
  const { epoch: owned, offered, image } = state.position;
  const epoch = offered + 1;
  const position: Position = { at: 'offering', owned, epoch, peer, image };
  return {
    state: { position },
    effects: [
      { do: 'quit' }, // one that was being loaded here
      commit(position, `offering epoch ${epoch}, from the image`),
      emit({ kind: 'offered', epoch, peer }),
      ...send(peer, { say: 'offer', epoch }),
    ],
  };
}

function wake(state: SuspendedState): Step {
  const { offered, image, peer } = state.position;
  const epoch = offered + 1;
  const position: Position = { at: 'waking', epoch, image, ...(peer === undefined ? {} : { peer }) };
  return {
    state: { position },
    effects: [
      commit(position, `waking as epoch ${epoch}, from the image`),
      emit({ kind: 'starting', epoch }),
      { do: 'resume' },
    ],
  };
}

/** The image is given up: what was in memory is lost. */
function force({ position: before }: SuspendedState): Step {
  const epoch = highestEpoch(before) + forceLeap;
  const { peer } = before;
  const position: Position = {
    at: 'owner',
    epoch,
    offered: epoch,
    ...(peer === undefined ? {} : { peer }),
  };
  return {
    state: { position },
    effects: [
      { do: 'quit' },
      commit(position, 'a person forced it, without its image'),
      emit({ kind: 'forced', epoch, memory: 'dropped' }),
      { do: 'power-cut' },
      ...send(peer, { say: 'running', epoch }),
    ],
  };
}

function answer({ position }: SuspendedState, from: string, { say, epoch }: Say) {
  const moved: Say = { say: 'moved', epoch: position.epoch };
  switch (say) {
    case 'offer':
      return send(from, moved);
    case 'go':
    case 'lost':
    case 'running':
    case 'moved':
      return epoch < position.epoch ? send(from, moved) : [];
    case 'accept':
    case 'ready':
      return epoch === position.epoch ? [] : send(from, { say: 'withdrawn', epoch });
    case 'refused':
    case 'withdrawn':
    case 'void':
    case 'settled':
      return [];
  }
}
