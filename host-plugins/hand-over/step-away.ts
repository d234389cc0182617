import { supersededBy } from './claims.ts';
import { forceLeap, highestEpoch, type Position } from './position.ts';
import {
  type AwayState,
  commit,
  emit,
  type HandOverSettings,
  type Input,
  type Say,
  type Step,
  send,
  stay,
} from './state.ts';

/** Owns nothing: welcomes an expected offer, and answers whoever still believes otherwise. */
export function stepAway(state: AwayState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  switch (input.in) {
    case 'expect': {
      const { expecting: _, ...rest } = state;
      return stay(input.peer === undefined ? rest : { ...rest, expecting: input.peer });
    }
    case 'message':
      return answer(
        state,
        input.from,
        input.message,
        supersededBy(input, position, position.granted, settings),
      );
    case 'offer':
      return stay(
        state,
        emit({ kind: 'rejected', what: 'offer', reason: 'this device does not own the VM' }),
      );
    case 'cancel':
      return stay(state, emit({ kind: 'rejected', what: 'cancel', reason: 'no hand-over is under way' }));
    case 'force':
      if (position.peer === undefined && settings.self !== settings.home) {
        const reason = 'it has never been on this device, and its disk is not here either';
        return stay(state, emit({ kind: 'rejected', what: 'force', reason }));
      }
      return stay({ ...state, forcing: true }, { do: 'inspect-disk', epoch: highestEpoch(position) });
    case 'disk-inspected': {
      if (!state.forcing) return stay(state);
      const epoch = highestEpoch(position) + forceLeap;
      const owner: Position = { at: 'owner', epoch, offered: epoch, ...peerOf(position.peer) };
      return {
        state: { position: owner },
        effects: [
          commit(owner, 'a person forced it'),
          emit({ kind: 'forced', epoch, memory: 'dropped' }),
          { do: 'power-cut' },
          ...send(position.peer, { say: 'running', epoch }),
        ],
      };
    }
    case 'journal-failed': {
      if (input.position.at !== 'accepting') return stay(state);
      const reason = `the journal could not be written: ${input.reason}`.slice(0, 500);
      return stay(
        state,
        ...send(input.position.peer, { say: 'refused', epoch: input.position.epoch, reason }),
        emit({ kind: 'warning', text: reason }),
      );
    }
    default:
      return stay(state);
  }
}

function answer(state: AwayState, from: string, message: Say, newer: number | undefined): Step {
  const { position } = state;
  const { epoch } = message;
  const say = (what: Say): Step => stay(state, ...send(from, what));
  switch (message.say) {
    case 'offer':
      if (epoch <= position.granted) return say({ say: 'moved', epoch: position.granted });
      if (epoch <= position.voided) return say({ say: 'void', epoch, reason: 'it was given up here before' });
      if (state.expecting !== from)
        return say({ say: 'refused', epoch, reason: 'this device expects no VM now' });
      return accept(state, from, epoch);
    case 'go':
      if (epoch <= position.granted) return say({ say: 'moved', epoch: position.granted });
      if (epoch <= position.voided) return say({ say: 'void', epoch, reason: 'it was given up here before' });
      return voidUnknown(state, from, epoch);
    case 'accept':
    case 'ready':
      if (epoch < position.granted) return say({ say: 'moved', epoch: position.granted });
      return say({ say: 'withdrawn', epoch });
    case 'lost':
      if (epoch < position.granted) return say({ say: 'moved', epoch: position.granted });
      return epoch === position.granted ? say({ say: 'settled', epoch }) : stay(state);
    case 'running': {
      if (epoch < position.granted) return say({ say: 'moved', epoch: position.granted });
      if (newer === undefined) return stay(state);
      const learned: Position = { ...position, granted: newer, voided: Math.max(newer, position.voided) };
      return {
        state: { ...state, position: learned },
        effects: [{ do: 'record', position: learned, why: `"${from}" runs epoch ${newer}` }],
      };
    }
    case 'refused':
    case 'withdrawn':
    case 'void':
    case 'settled':
    case 'moved':
      return stay(state);
  }
}

function accept(state: AwayState, from: string, epoch: number): Step {
  const { granted, voided } = state.position;
  const accepting: Position = { at: 'accepting', epoch, peer: from, granted, voided };
  return {
    state: { position: accepting },
    effects: [
      commit(accepting, `accepting epoch ${epoch}`),
      emit({ kind: 'accepting', epoch, peer: from }),
      ...send(from, { say: 'accept', epoch }),
    ],
  };
}

/** Released to us, and our journal knows nothing of it: it has not run here, and now it never will. */
function voidUnknown(state: AwayState, from: string, epoch: number): Step {
  const position: Position = { ...state.position, voided: epoch };
  const reason = 'this device knows nothing of it';
  return {
    state: { ...state, position },
    effects: [
      commit(position, `void of epoch ${epoch}: ${reason}`),
      ...send(from, { say: 'void', epoch, reason }),
    ],
  };
}

const peerOf = (peer: string | undefined) => (peer === undefined ? {} : { peer });
