import { supersededBy, yieldTo } from './claims.ts';
import { forceLeap, type Position, type PositionAt } from './position.ts';
import {
  type AcceptingState,
  commit,
  emit,
  type HandOverSettings,
  type Input,
  type LostState,
  type Say,
  type StartingState,
  type Step,
  send,
  stay,
} from './state.ts';

/** Has promised to take the VM, and may give that up, durably, until it has journaled `starting`. */
export function stepAccepting(state: AcceptingState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const { epoch, peer } = position;
  const newer = supersededBy(input, position, epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  const where: Say = { say: state.loaded ? 'ready' : 'accept', epoch };
  switch (input.in) {
    case 'message': {
      const { say, epoch: about } = input.message;
      if (input.from !== peer) {
        const reason = 'this device is about to receive it from another one';
        return stay(
          state,
          ...(say === 'offer' ? send(input.from, { say: 'refused', epoch: about, reason }) : []),
        );
      }
      if (say === 'go' && about === epoch) return start(state);
      if (say === 'withdrawn' && about === epoch) return giveUp(state, 'the source withdrew it');
      // Only a source that has withdrawn this one can offer another.
      if (say === 'offer' && about > epoch) return giveUp(state, 'the source offers a newer epoch');
      if (say === 'offer' && about === epoch)
        return state.voiding ? giveUp(state, state.voiding) : stay(state, ...send(peer, where));
      return stay(state);
    }
    case 'vm-loaded':
      if (state.loaded || state.voiding) return stay(state);
      return stay(
        { ...state, loaded: true },
        emit({ kind: 'ready', epoch }),
        ...send(peer, { say: 'ready', epoch }),
      );
    case 'cancel':
      return giveUp(state, input.reason);
    case 'vm-gone':
      return giveUp(state, 'its QEMU died');
    case 'link-up':
      return stay(state, ...(input.peer === peer && !state.voiding ? send(peer, where) : []));
    case 'retry':
      return state.voiding ? giveUp(state, state.voiding) : stay(state, ...send(peer, where));
    case 'force':
      return stay({ ...state, forcing: true }, { do: 'inspect-disk', epoch });
    case 'disk-inspected':
      return state.forcing ? force(state, input.disk === 'untouched' && !state.voiding) : stay(state);
    case 'journal-failed': {
      const warning = emit({ kind: 'warning', text: `the journal could not be written: ${input.reason}` });
      const { forcing: _, ...rest } = state;
      // `starting` is tried again when the source says go again, `void` at the next retry.
      return stay(
        input.position.at === 'away' ? { ...rest, voiding: rest.voiding ?? 'given up' } : rest,
        warning,
      );
    }
    case 'offer':
      return stay(state, emit({ kind: 'rejected', what: 'offer', reason: 'a hand-over is under way' }));
    default:
      return stay(state);
  }
}

function start(state: AcceptingState): Step {
  const { epoch, peer, granted, voided } = state.position;
  if (state.voiding) return giveUp(state, state.voiding);
  if (!state.loaded) return giveUp(state, 'the state of the VM is not here');
  const position: Position = { at: 'starting', epoch, peer, granted, voided };
  return {
    state: { position },
    effects: [
      commit(position, `owner of epoch ${epoch}`),
      emit({ kind: 'starting', epoch }),
      { do: 'resume' },
    ],
  };
}

/** Durably: this epoch has never run here and never will. */
function giveUp(state: AcceptingState | StartingState, why: string): Step {
  const { epoch, peer, granted } = state.position;
  const reason = why.slice(0, 500);
  const position: Position = { at: 'away', granted, voided: epoch, peer };
  return {
    state: { position },
    effects: [
      commit(position, `void of epoch ${epoch}: ${reason}`),
      { do: 'quit' },
      ...send(peer, { say: 'void', epoch, reason }),
      emit({ kind: 'voided', epoch, reason }),
    ],
  };
}

/** Memory that is not good ends before the journal owns: a restart in between must not find and run it. */
function force(state: AcceptingState, memoryIsGood: boolean): Step {
  const keep = memoryIsGood && state.loaded === true;
  const epoch = state.position.epoch + forceLeap;
  const position: Position = { at: 'owner', epoch, offered: epoch, peer: state.position.peer };
  return {
    state: { position },
    effects: [
      ...(keep ? [] : [{ do: 'quit' } as const]),
      commit(position, 'a person forced it'),
      emit({ kind: 'forced', epoch, memory: keep ? 'kept' : 'dropped' }),
      keep ? { do: 'resume' } : { do: 'power-cut' },
      ...send(position.peer, { say: 'running', epoch }),
    ],
  };
}

/** Owns it by its journal; whether the guest has run is being settled. */
export function stepStarting(state: StartingState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const { epoch, peer } = position;
  const newer = supersededBy(input, position, epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  switch (input.in) {
    case 'resumed':
      return running(position, true);
    case 'resume-failed':
      if (input.executed === 'no') return giveUp(state, `QEMU did not run it: ${input.reason}`);
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch });
    case 'vm-gone':
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch });
    case 'disk-inspected':
      if (!state.inspecting) return stay(state);
      if (input.disk === 'untouched') return giveUp(state, 'its QEMU died before the guest wrote anything');
      return input.disk === 'written' ? ranAndDied(position) : ask(position);
    case 'journal-failed': {
      const warning = emit({ kind: 'warning', text: `the journal could not be written: ${input.reason}` });
      if (input.position.at === 'away') return stay({ ...state, voiding: 'QEMU did not run it' }, warning);
      if (input.position.at === 'owner' && !state.inspecting)
        return stay({ ...state, running: true }, warning);
      return stay(state, warning);
    }
    case 'retry':
    case 'message':
      if (input.in === 'message' && (input.from !== peer || input.message.say !== 'go')) return stay(state);
      if (state.voiding) return giveUp(state, state.voiding);
      if (state.running) return running(position, false);
      return stay(state, ...(state.inspecting ? [{ do: 'inspect-disk', epoch } as const] : []));
    case 'cancel':
      return stay(
        state,
        emit({ kind: 'rejected', what: 'cancel', reason: "the VM is this device's already" }),
      );
    case 'force':
      return stay(
        state,
        emit({ kind: 'rejected', what: 'force', reason: 'this device owns the VM already' }),
      );
    case 'offer':
      return stay(state, emit({ kind: 'rejected', what: 'offer', reason: 'the VM does not run here yet' }));
    default:
      return stay(state);
  }
}

const ownerOf = (position: PositionAt<'starting' | 'lost'>): PositionAt<'owner'> => ({
  at: 'owner',
  epoch: position.epoch,
  offered: position.epoch,
  peer: position.peer,
});

/**
 * Journaled before the source hears of it: on this word it drops its copy, and from then on a QEMU that is found dead
 * here must not be taken for one that never ran.
 */
export function running(position: PositionAt<'starting'>, isNews: boolean): Step {
  const { epoch, peer } = position;
  const owner = ownerOf(position);
  return {
    state: { position: owner },
    effects: [
      ...(isNews ? [emit({ kind: 'running', epoch })] : []),
      commit(owner, `running epoch ${epoch}`),
      ...send(peer, { say: 'running', epoch }),
    ],
  };
}

/** It ran and wrote, so every other copy of its memory is older than the disk. */
function ranAndDied(position: PositionAt<'starting'>): Step {
  const owner = ownerOf(position);
  return {
    state: { position: owner },
    effects: [
      commit(owner, 'it ran, and its QEMU died'),
      emit({ kind: 'power-cut', epoch: position.epoch }),
      { do: 'power-cut' },
      ...send(position.peer, { say: 'running', epoch: position.epoch }),
    ],
  };
}

/** The source may hold the only copy of the memory, and may know whether the disk was written. */
function ask(position: PositionAt<'starting'>): Step {
  const { epoch, peer } = position;
  const lost: Position = { at: 'lost', epoch, peer };
  return {
    state: { position: lost },
    effects: [
      commit(lost, `lost epoch ${epoch}: its QEMU is gone and it may have run`),
      ...send(peer, { say: 'lost', epoch }),
      emit({ kind: 'lost', epoch }),
    ],
  };
}

/** Starts nothing until the source has said that it starts nothing either, or a person says so. */
export function stepLost(state: LostState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const { epoch, peer } = position;
  const newer = supersededBy(input, position, epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  const goOn = (owner: PositionAt<'owner'>, why: string, forced: boolean): Step => ({
    state: { position: owner },
    effects: [
      commit(owner, why),
      emit(
        forced
          ? { kind: 'forced', epoch: owner.epoch, memory: 'dropped' }
          : { kind: 'power-cut', epoch: owner.epoch },
      ),
      { do: 'power-cut' },
      ...send(peer, { say: 'running', epoch: owner.epoch }),
    ],
  });
  switch (input.in) {
    case 'message': {
      if (input.from !== peer || input.message.epoch !== epoch) return stay(state);
      if (input.message.say === 'settled')
        return goOn(ownerOf(position), 'the source dropped its copy', false);
      return stay(state, ...(input.message.say === 'go' ? send(peer, { say: 'lost', epoch }) : []));
    }
    case 'link-up':
    case 'retry':
      return stay(
        state,
        ...(input.in === 'retry' || input.peer === peer ? send(peer, { say: 'lost', epoch }) : []),
      );
    case 'force':
      return stay({ ...state, forcing: true }, { do: 'inspect-disk', epoch });
    case 'disk-inspected': {
      if (!state.forcing) return stay(state);
      const forced = epoch + forceLeap;
      return goOn({ at: 'owner', epoch: forced, offered: forced, peer }, 'a person forced it', true);
    }
    case 'journal-failed':
      return stay(
        { position },
        emit({ kind: 'warning', text: `the journal could not be written: ${input.reason}` }),
      );
    case 'cancel':
    case 'offer':
      return stay(
        state,
        emit({
          kind: 'rejected',
          what: input.in,
          reason: 'the VM was lost in a hand-over; the other device decides',
        }),
      );
    default:
      return stay(state);
  }
}
