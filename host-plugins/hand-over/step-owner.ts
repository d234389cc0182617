import { supersededBy, yieldTo } from './claims.ts';
import type { Position } from './position.ts';
import {
  commit,
  emit,
  type HandOverSettings,
  type Input,
  type OwnerState,
  type Say,
  type Step,
  send,
  stay,
} from './state.ts';

/** Owns the VM: offers it when asked to, and tells whoever still believes otherwise. */
export function stepOwner(state: OwnerState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const newer = supersededBy(input, position, position.epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  switch (input.in) {
    case 'offer':
      return offer(state, input.peer);
    case 'message':
      return stay(state, ...answer(position, input.from, input.message));
    case 'link-up': {
      const concerned = input.peer === position.peer || input.peer === settings.home;
      return stay(state, ...(concerned ? send(input.peer, { say: 'running', epoch: position.epoch }) : []));
    }
    case 'retry':
      return stay(state, ...(state.halted ? [{ do: 'resume' } as const] : []));
    case 'resumed':
      return stay({ position }, emit({ kind: 'running', epoch: position.epoch }));
    case 'resume-failed':
      if (input.executed === 'unknown') return powerCut(position);
      return stay(
        { position, halted: true },
        emit({ kind: 'warning', text: `QEMU does not let the VM run, trying again: ${input.reason}` }),
      );
    case 'vm-gone':
      // Completed, so the image can have everything and nothing ran since: it can still be suspended.
      return state.saving === 'switched' ? stay({ ...state, gone: true }) : powerCut(position);
    case 'save':
      return save(state);
    case 'vm-switched':
      return stay(state.saving === undefined ? state : { ...state, saving: 'switched' });
    case 'image-whole':
      return suspend(state, input.image);
    case 'save-failed':
    case 'cancel':
      if (state.saving !== undefined) return runOn(state, input.reason);
      return stay(state, emit({ kind: 'rejected', what: 'cancel', reason: 'no hand-over is under way' }));
    case 'force':
      return stay(
        state,
        emit({ kind: 'rejected', what: 'force', reason: 'this device owns the VM already' }),
      );
    case 'journal-failed': {
      const reason = `the journal could not be written: ${input.reason}`;
      if (input.position.at === 'suspended') return runOn(state, reason);
      if (input.position.at !== 'offering') return stay(state);
      return stay(state, emit({ kind: 'rejected', what: 'offer', reason }));
    }
    default:
      return stay(state);
  }
}

function save(state: OwnerState): Step {
  const reason = state.halted ? 'the VM does not run on this device' : 'it is being suspended already';
  if (state.halted || state.saving !== undefined)
    return stay(state, emit({ kind: 'rejected', what: 'save', reason }));
  return stay({ ...state, saving: 'writing' });
}

/**
 * Only of a QEMU that has completed, and of one that did not run since: an image that came about in any other way is
 * older than the disk, or may become so.
 */
function suspend(state: OwnerState, image: string): Step {
  if (state.saving !== 'switched') {
    const reason = 'the VM has run on since its memory was written';
    return stay(state, emit({ kind: 'rejected', what: 'save', reason }));
  }
  const { offered, peer } = state.position;
  const epoch = offered + 1;
  const position: Position = {
    at: 'suspended',
    epoch,
    offered: epoch,
    image,
    ...(peer === undefined ? {} : { peer }),
  };
  return {
    state: { position },
    effects: [
      commit(position, `suspended as epoch ${epoch} in image ${image}`),
      { do: 'quit' },
      emit({ kind: 'suspended', epoch, image }),
    ],
  };
}

/** It was not suspended. The image, whole or not, is no copy that anybody may run: no journal names it. */
function runOn({ position, gone }: OwnerState, reason: string): Step {
  const { epoch } = position;
  return {
    state: { position },
    effects: [
      ...(gone
        ? [emit({ kind: 'power-cut', epoch }), { do: 'power-cut' } as const]
        : [{ do: 'resume' } as const]),
      emit({ kind: 'withdrawn', epoch, reason }),
    ],
  };
}

function offer(state: OwnerState, peer: string): Step {
  const { epoch: owned, offered } = state.position;
  if (state.saving !== undefined) {
    return stay(state, emit({ kind: 'rejected', what: 'offer', reason: 'the VM is being suspended' }));
  }
  if (state.halted) {
    return stay(
      state,
      emit({ kind: 'rejected', what: 'offer', reason: 'the VM does not run on this device' }),
    );
  }
  const epoch = offered + 1;
  const position: Position = { at: 'offering', owned, epoch, peer };
  return {
    state: { position },
    effects: [
      commit(position, `offering epoch ${epoch}`),
      emit({ kind: 'offered', epoch, peer }),
      ...send(peer, { say: 'offer', epoch }),
    ],
  };
}

/** What an owner of `epoch` says to each message; none of them moves it. */
function answer(position: { readonly epoch: number }, from: string, message: Say) {
  const mine: Say = { say: 'running', epoch: position.epoch };
  switch (message.say) {
    case 'go':
    case 'lost':
    case 'running':
    case 'moved':
      return message.epoch <= position.epoch ? send(from, mine) : [];
    case 'offer':
      return send(from, mine);
    case 'accept':
    case 'ready':
      return message.epoch === position.epoch ? [] : send(from, { say: 'withdrawn', epoch: message.epoch });
    case 'refused':
    case 'withdrawn':
    case 'void':
    case 'settled':
      return [];
  }
}

function powerCut(position: OwnerState['position']): Step {
  return stay({ position }, emit({ kind: 'power-cut', epoch: position.epoch }), { do: 'power-cut' });
}
