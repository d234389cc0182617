import type { TriggerRules } from '../../../policies/choose/choose-triggers.ts';
import type { DockCondition, UndockCause } from '../../../policies/language/trigger-section.ts';
import { medianQuality } from './nearness.ts';
import type { PresenceState, Wish } from './presence-state.ts';

/** After this time away from each other, ms, two devices have parted: what was refused may be offered again. */
export const partedAfterMs = 60_000;

type Wished = Omit<Wish, 'since' | 'spent'>;

/** The trip that speaks for itself at this time, or why there is none. */
export function wishOf(state: PresenceState, rules: TriggerRules, at: number): Wished | { against: string } {
  switch (state.placement) {
    case 'home':
      return wishToDock(state, rules, at);
    case 'docked':
      return wishToUndock(state, rules);
    case 'moving':
      return { against: 'it is on its way' };
    case 'other':
      return { against: 'no workspace is here that could go' };
  }
}

function wishToDock(state: PresenceState, rules: TriggerRules, at: number): Wished | { against: string } {
  if (rules.dock === 'never') return { against: 'triggers.dock is never' };
  if (state.nearness.level !== 'near') return { against: 'it is not near' };
  if (state.parted !== undefined) return { against: partedText(state.parted) };
  if (!state.host.withinHours) return { against: 'it is not within triggers.hours' };
  const facts = ['it is near'];
  for (const condition of rules.dockWhen) {
    const { holds, fact } = conditionOf(condition, state, rules, at);
    if (!holds) return { against: fact };
    facts.push(fact);
  }
  return { trip: 'dock', cause: 'near', why: facts.join(', ') };
}

function wishToUndock(state: PresenceState, rules: TriggerRules): Wished | { against: string } {
  if (rules.undock === 'never') return { against: 'triggers.undock is never' };
  for (const cause of rules.undockOn) {
    const why = causeOf(cause, state, rules);
    if (why !== undefined) return { trip: 'undock', cause, why };
  }
  return { against: 'nothing of triggers.undockOn has happened' };
}

/** Whether what parted them has ended, so that it may dock again. */
export function isOver(parted: PresenceState['parted'], state: PresenceState, at: number): boolean {
  const { notNearSince, host } = state;
  if (notNearSince !== undefined && at - notNearSince >= partedAfterMs) return true;
  if (parted === 'fading') return notNearSince !== undefined;
  if (parted === 'unplugged') return host.mains === true;
  return parted === 'locked' && host.locked === false;
}

function conditionOf(
  condition: DockCondition,
  { host }: PresenceState,
  rules: TriggerRules,
  at: number,
): { holds: boolean; fact: string } {
  const known = (value: boolean | undefined, yes: string, no: string, what: string) => ({
    holds: value === true,
    fact: value === undefined ? `${what} of this device is not known` : value ? yes : no,
  });
  switch (condition) {
    case 'mains':
      return known(host.mains, 'this device is on mains', 'this device is on battery', 'the power');
    case 'lid-closed':
      return known(host.lidClosed, 'its lid is closed', 'the lid of this device is open', 'the lid');
    case 'cable':
      return known(host.cable, 'a cable is plugged in', 'no network cable is plugged in', 'the cable');
    case 'idle': {
      const idle = host.idleSince !== undefined && at - host.idleSince >= rules.idleForMs;
      return { holds: idle, fact: idle ? 'nobody uses this device' : 'this device is in use' };
    }
  }
}

function causeOf(cause: UndockCause, state: PresenceState, rules: TriggerRules): string | undefined {
  switch (cause) {
    case 'unplugged':
      return state.host.unpluggedMeanwhile ? 'this device was unplugged' : undefined;
    case 'locked':
      return state.host.lockedMeanwhile ? 'this device was locked' : undefined;
    case 'fading': {
      const median = medianQuality(state.nearness);
      return median !== undefined && median.percent < rules.fading
        ? `the link fades: quality ${median.percent} % (${median.because})`
        : undefined;
    }
  }
}

function partedText(parted: NonNullable<PresenceState['parted']>): string {
  const waits = {
    'by-hand': 'it was undocked by hand, or from the other device; it docks again after it has been away',
    leaving: 'a device went to sleep; it docks again after it has been away',
    unplugged: 'it was unplugged; it docks again on mains, or after it has been away',
    fading: 'it was about to go; it docks again when it comes back',
    locked: 'it was locked; it docks again when it is unlocked, or after it has been away',
  };
  return waits[parted];
}
