import { supersededBy, yieldTo } from './claims.ts';
import type { Position, PositionAt } from './position.ts';
import {
  commit,
  emit,
  type HandOverSettings,
  type Input,
  type Say,
  type Step,
  send,
  stay,
  type WakingState,
} from './state.ts';

/** Owns it by its journal, with the memory of the image; whether the guest has run is being settled. */
export function stepWaking(state: WakingState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const { epoch } = position;
  const newer = supersededBy(input, position, epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  switch (input.in) {
    case 'resumed':
      return awake(position, true);
    case 'resume-failed':
      if (input.executed === 'no') return sleepOn(state, `QEMU did not run it: ${input.reason}`);
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch });
    case 'vm-gone':
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch });
    case 'disk-inspected':
      if (!state.inspecting) return stay(state);
      // Old memory on a newer disk would be worse than a power cut; so what nobody knows counts as written.
      return input.disk === 'untouched'
        ? sleepOn(state, 'its QEMU died before the guest wrote anything')
        : ranAndDied(position);
    case 'journal-failed': {
      const warning = emit({ kind: 'warning', text: `the journal could not be written: ${input.reason}` });
      if (input.position.at === 'suspended')
        return stay({ ...state, voiding: 'QEMU did not run it' }, warning);
      return stay(state.inspecting ? state : { ...state, running: true }, warning);
    }
    case 'retry':
      if (state.voiding) return sleepOn(state, state.voiding);
      if (state.running) return awake(position, false);
      return stay(state, ...(state.inspecting ? [{ do: 'inspect-disk', epoch } as const] : []));
    case 'message': {
      const moved: Say = { say: 'moved', epoch };
      return stay(state, ...(input.message.epoch < epoch ? send(input.from, moved) : []));
    }
    case 'cancel':
    case 'force':
    case 'offer':
    case 'save':
      return stay(
        state,
        emit({ kind: 'rejected', what: input.in, reason: 'the VM wakes up on this device' }),
      );
    default:
      return stay(state);
  }
}

/** From here on the image is history: it is older than the disk. */
export function awake(position: PositionAt<'waking'>, isNews: boolean): Step {
  const owner = ownerOf(position);
  return {
    state: { position: owner },
    effects: [
      ...(isNews ? [emit({ kind: 'running', epoch: position.epoch })] : []),
      commit(owner, `running epoch ${position.epoch}, out of its image`),
    ],
  };
}

function ranAndDied(position: PositionAt<'waking'>): Step {
  const owner = ownerOf(position);
  return {
    state: { position: owner },
    effects: [
      commit(owner, 'it ran, or may have run, and its QEMU died'),
      emit({ kind: 'power-cut', epoch: position.epoch }),
      { do: 'power-cut' },
    ],
  };
}

/** This epoch has not run and never will; the image has all that there is. */
function sleepOn({ position: before }: WakingState, reason: string): Step {
  const epoch = before.epoch + 1;
  const { image, peer } = before;
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
      commit(position, `suspended again, as epoch ${epoch}: ${reason}`),
      { do: 'quit' },
      emit({ kind: 'taken-back', epoch, reason }),
    ],
  };
}

function ownerOf({ epoch, peer }: PositionAt<'waking'>): PositionAt<'owner'> {
  return { at: 'owner', epoch, offered: epoch, ...(peer === undefined ? {} : { peer }) };
}
