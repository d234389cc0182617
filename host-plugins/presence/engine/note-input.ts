import type { Observation } from '../observation.ts';
import { linkQuality } from './link-quality.ts';
import { withSample } from './nearness.ts';
import type { HostFacts, Placement, PresenceInput, PresenceState } from './presence-state.ts';

/** What an input changes in what is known; what follows from that is `settle`'s to say. */
export function noteInput(state: PresenceState, input: PresenceInput): PresenceState {
  switch (input.in) {
    case 'observed':
      return noteObservation(state, input.observation, input.at);
    case 'placed':
      return input.placement === state.placement ? state : notePlacement(state, input.placement, input.at);
    case 'trip-failed':
      return {
        ...state,
        acting: undefined,
        wish: undefined,
        heldOffFrom: input.at,
        failedAt: input.at,
        // who cancels a dock does not want it, now nor in five minutes
        parted: input.byHand && state.acting?.trip === 'dock' ? 'by-hand' : state.parted,
      };
    case 'hours':
      return { ...state, host: { ...state.host, withinHours: input.within } };
    case 'answered':
    case 'tick':
      return state;
  }
}

function noteObservation(state: PresenceState, observation: Observation, at: number): PresenceState {
  const { nearness, host } = state;
  const knowing = (facts: Partial<HostFacts>): PresenceState => ({ ...state, host: { ...host, ...facts } });
  switch (observation.kind) {
    case 'announcement':
      return { ...state, nearness: { ...nearness, heard: observation.heard } };
    case 'link':
      return { ...state, nearness: withSample(nearness, { at, ...linkQuality(observation) }) };
    case 'link-lost':
      return { ...state, nearness: { ...nearness, samples: [] } };
    case 'power': {
      const unplugged = state.placement === 'docked' && host.mains === true && !observation.mains;
      return knowing({
        mains: observation.mains,
        unpluggedMeanwhile: !observation.mains && (unplugged || host.unpluggedMeanwhile),
      });
    }
    case 'lid':
      return knowing({ lidClosed: observation.closed });
    case 'cable':
      return knowing({ cable: observation.plugged });
    case 'session': {
      const locked = state.placement === 'docked' && host.locked === false && observation.locked;
      return knowing({
        locked: observation.locked,
        lockedMeanwhile: observation.locked && (locked || host.lockedMeanwhile),
        idleSince: observation.idle ? (host.idleSince ?? at) : undefined,
      });
    }
    case 'leaving':
      // What was measured before a sleep says nothing of the time after.
      return { ...state, nearness: { ...nearness, samples: [] } };
  }
}

function notePlacement(state: PresenceState, placement: Placement, at: number): PresenceState {
  const placed = { ...state, placement, placedAt: at };
  if (placement === 'moving') return placed;
  const settled = { ...placed, settled: placement, acting: undefined };
  const { settled: before, acting } = state;
  const ended = state.placement === 'moving' || (before !== 'other' && before !== placement);
  const heldOff = ended ? { ...settled, heldOffFrom: at } : settled;
  if (placement === 'docked') {
    const host = { ...state.host, unpluggedMeanwhile: false, lockedMeanwhile: false };
    return before === 'docked' ? heldOff : { ...heldOff, host, parted: undefined };
  }
  if (before !== 'docked') return heldOff;
  // What was not decided here, a person did, or the other device: this one does not know better.
  const cause = acting?.trip === 'undock' && acting.cause !== 'near' ? acting.cause : 'by-hand';
  return { ...heldOff, parted: cause };
}
