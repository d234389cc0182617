import { supersededBy, yieldTo } from './claims.ts';
import { forceLeap, type Position, type PositionAt } from './position.ts';
import {
  commit,
  type Effect,
  emit,
  type HandOverSettings,
  type Input,
  type OfferingState,
  type ReleasedState,
  record,
  type Say,
  type Step,
  send,
  stay,
} from './state.ts';

/** Has offered, still owns: goes on to `released`, or takes the offer back for any reason at all. */
export function stepOffering(state: OfferingState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const newer = supersededBy(input, position, position.epoch, settings);
  if (newer !== undefined) return yieldTo(newer, position);
  const suspended = position.image !== undefined;
  switch (input.in) {
    case 'message':
      return hear(state, input.from, input.message);
    case 'vm-stopped':
      return stay(
        state,
        ...(suspended ? [] : [{ do: 'continue-migration', epoch: position.epoch } as const]),
      );
    case 'vm-switched':
      return suspended ? stay(state) : release({ ...state, switched: true });
    case 'migration-failed':
      return suspended ? stay(state) : withdraw(state, input.reason);
    case 'cancel':
      return withdraw(state, input.reason);
    case 'vm-gone':
      if (suspended) return stay(state);
      // Completed, so the target has everything and nothing ran since: the move can still be finished.
      return state.switched
        ? release({ ...state, gone: true })
        : withdraw({ ...state, gone: true }, 'QEMU died');
    case 'link-up':
    case 'retry':
      if (input.in === 'link-up' && input.peer !== position.peer) return stay(state);
      return stay(state, ...send(position.peer, { say: 'offer', epoch: position.epoch }));
    case 'journal-failed':
      return withdraw(state, `the journal could not be written: ${input.reason}`);
    case 'offer':
      return stay(state, emit({ kind: 'rejected', what: 'offer', reason: 'a hand-over is under way' }));
    case 'force':
      return stay(
        state,
        emit({ kind: 'rejected', what: 'force', reason: 'this device owns the VM; cancel instead' }),
      );
    default:
      return stay(state);
  }
}

function hear(
  state: OfferingState,
  from: string,
  message: { readonly say: string; readonly epoch: number },
): Step {
  const { position } = state;
  const { say, epoch } = message;
  if (from !== position.peer || epoch !== position.epoch) {
    // Somebody who thinks of an epoch that ran here, or that was never to be his.
    if (say === 'go' && epoch <= position.owned) {
      return stay(state, ...send(from, owns(position)));
    }
    if ((say === 'accept' || say === 'ready') && epoch !== position.owned) {
      return stay(state, ...send(from, { say: 'withdrawn', epoch }));
    }
    if ((say === 'lost' || say === 'running' || say === 'moved') && epoch < position.owned) {
      return stay(state, ...send(from, owns(position)));
    }
    return stay(state);
  }
  switch (say) {
    case 'accept':
      if (state.accepted) return stay(state);
      return stay({ ...state, accepted: true }, emit({ kind: 'accepted', epoch, peer: from }));
    case 'ready':
      return release({ ...state, accepted: true, ready: true });
    case 'void':
    case 'refused':
      return withdraw(state, `"${from}" gave it up`);
    default:
      return stay(state);
  }
}

/** Of a VM that is suspended nobody can say that it has run in this epoch. */
function owns({ owned, image }: PositionAt<'offering' | 'released'>): Say {
  return { say: image === undefined ? 'running' : 'moved', epoch: owned };
}

/**
 * Only when both are known: the target has everything (`ready`), and our own QEMU cannot run again by itself
 * (`switched`). Until it has completed, QEMU resumes the VM of its own accord when the migration fails, even if the
 * target has loaded all of it. What is suspended has no QEMU here.
 */
function release(state: OfferingState): Step {
  const { owned, epoch, peer, image } = state.position;
  if (!state.ready || (!state.switched && image === undefined)) return stay(state);
  const position: PositionAt<'released'> = { at: 'released', owned, epoch, peer, ...withImage(image) };
  return {
    state: { position, kept: !state.gone },
    effects: [
      commit(position, `released epoch ${epoch}`),
      ...send(peer, { say: 'go', epoch }),
      emit({ kind: 'released', epoch }),
    ],
  };
}

/**
 * The VM runs on here. Nothing of it needs the journal: an `offering` that is found after a restart is withdrawn
 * anyway, so a full disk does not keep the VM from running.
 */
export function withdraw(state: OfferingState, reason: string): Step {
  const { owned, epoch, peer, image } = state.position;
  if (image !== undefined) return withdrawImage(state, image, reason);
  const position: Position = { at: 'owner', epoch: owned, offered: epoch, peer };
  const run: Effect[] = state.gone
    ? [emit({ kind: 'power-cut', epoch: owned }), { do: 'power-cut' }]
    : [{ do: 'resume' }];
  return {
    state: { position },
    effects: [
      ...run,
      record(position, `withdrew epoch ${epoch}: ${reason}`),
      ...send(peer, { say: 'withdrawn', epoch }),
      emit({ kind: 'withdrawn', epoch, reason }),
    ],
  };
}

/** It is suspended as before; no more needs the journal for that than above. A QEMU that is here has only loaded it. */
function withdrawImage({ position: before }: OfferingState, image: string, reason: string): Step {
  const { owned, epoch, peer } = before;
  const position: Position = { at: 'suspended', epoch: owned, offered: epoch, image, peer };
  return {
    state: { position },
    effects: [
      { do: 'quit' },
      record(position, `withdrew epoch ${epoch}: ${reason}`),
      ...send(peer, { say: 'withdrawn', epoch }),
      emit({ kind: 'withdrawn', epoch, reason }),
    ],
  };
}

/** Has given the VM away: waits for the target's word, and runs nothing without it. */
export function stepReleased(state: ReleasedState, input: Input, settings: HandOverSettings): Step {
  const { position } = state;
  const { epoch, peer } = position;
  const newer = supersededBy(input, position, epoch - 1, settings);
  if (newer !== undefined && (newer > epoch || (input.in === 'message' && input.from === peer))) {
    return settle(position, newer, false);
  }
  switch (input.in) {
    case 'message': {
      const { say, epoch: about } = input.message;
      if (input.from === peer && about === epoch) {
        if (say === 'ready') return stay(state, ...send(peer, { say: 'go', epoch }));
        if (say === 'void') return takeBack(state, 'the target never ran it and never will');
        if (say === 'lost' && state.inspecting === undefined) {
          return stay({ ...state, inspecting: 'lost' }, { do: 'inspect-disk', epoch });
        }
        return stay(state);
      }
      // The target offers it onward or back to us: it has run there.
      if (input.from === peer && say === 'offer' && about > epoch) return settle(position, epoch, false);
      if (say === 'go' && about <= position.owned) {
        return stay(state, ...send(input.from, owns(position)));
      }
      if ((say === 'accept' || say === 'ready') && about < epoch && about !== position.owned) {
        return stay(state, ...send(input.from, { say: 'withdrawn', epoch: about }));
      }
      return stay(state);
    }
    case 'link-up':
    case 'retry':
      if (input.in === 'link-up' && input.peer !== peer) return stay(state);
      return stay(state, ...send(peer, { say: 'go', epoch }));
    case 'vm-gone':
      return stay({ ...state, kept: false });
    case 'force':
      return stay({ ...state, inspecting: 'force' }, { do: 'inspect-disk', epoch });
    case 'disk-inspected': {
      const memoryIsGood = (state.kept || position.image !== undefined) && input.disk === 'untouched';
      if (state.inspecting === 'force') return force(state, memoryIsGood);
      if (state.inspecting !== 'lost') return stay(state);
      return memoryIsGood
        ? takeBack(state, 'the target lost it before it wrote anything')
        : settle(position, epoch, true);
    }
    case 'journal-failed': {
      const { inspecting: _, ...rest } = state;
      return stay(rest, emit({ kind: 'warning', text: `the journal could not be written: ${input.reason}` }));
    }
    case 'cancel': {
      const reason = 'the VM was released already; the target runs it or gives it back';
      return stay(state, emit({ kind: 'rejected', what: 'cancel', reason }));
    }
    case 'offer':
      return stay(state, emit({ kind: 'rejected', what: 'offer', reason: 'a hand-over is under way' }));
    default:
      return stay(state);
  }
}

function settle(position: PositionAt<'released'>, granted: number, tell: boolean): Step {
  const away: Position = { at: 'away', granted, voided: granted, peer: position.peer };
  return {
    state: { position: away },
    effects: [
      commit(away, `settled epoch ${granted}`),
      { do: 'quit' },
      ...(tell ? send(position.peer, { say: 'settled', epoch: granted }) : []),
      emit({ kind: 'settled', epoch: granted }),
    ],
  };
}

/** The epoch after the one that never ran. The copy here, or in the image, is as it was when it was stopped. */
function takeBack(state: ReleasedState, reason: string): Step {
  const epoch = state.position.epoch + 1;
  if (state.position.image !== undefined) {
    const position = suspendedIn(state.position.image, epoch, state.position.peer);
    return {
      state: { position },
      effects: [
        commit(position, `suspended again, as epoch ${epoch}: ${reason}`),
        emit({ kind: 'taken-back', epoch, reason }),
      ],
    };
  }
  const position: Position = { at: 'owner', epoch, offered: epoch, peer: state.position.peer };
  return {
    state: { position },
    effects: [
      commit(position, `took it back as epoch ${epoch}: ${reason}`),
      ...(state.kept ? [{ do: 'resume' } as const] : [{ do: 'power-cut' } as const]),
      ...send(position.peer, { say: 'running', epoch }),
      emit({ kind: 'taken-back', epoch, reason }),
    ],
  };
}

/** Memory that is not good ends before the journal owns: a restart in between must not find and run it. */
function force(state: ReleasedState, memoryIsGood: boolean): Step {
  const epoch = state.position.epoch + forceLeap;
  const { image, peer } = state.position;
  if (image !== undefined && memoryIsGood) {
    const suspended = suspendedIn(image, epoch, peer);
    return {
      state: { position: suspended },
      effects: [
        commit(suspended, 'a person forced it; it is suspended again'),
        emit({ kind: 'forced', epoch, memory: 'kept' }),
        ...send(peer, { say: 'moved', epoch }),
      ],
    };
  }
  const position: Position = { at: 'owner', epoch, offered: epoch, peer: state.position.peer };
  return {
    state: { position },
    effects: [
      ...(memoryIsGood ? [] : [{ do: 'quit' } as const]),
      commit(position, 'a person forced it'),
      emit({ kind: 'forced', epoch, memory: memoryIsGood ? 'kept' : 'dropped' }),
      memoryIsGood ? { do: 'resume' } : { do: 'power-cut' },
      ...send(position.peer, { say: 'running', epoch }),
    ],
  };
}

const withImage = (image: string | undefined) => (image === undefined ? {} : { image });

function suspendedIn(image: string, epoch: number, peer: string): PositionAt<'suspended'> {
  return { at: 'suspended', epoch, offered: epoch, image, peer };
}
