import type { TriggerRules } from '../../../policies/choose/choose-triggers.ts';
import { judgeNearness, nearnessDeadlines } from './nearness.ts';
import { noteInput } from './note-input.ts';
import type { PresenceDecision, PresenceInput, PresenceState, Question, Wish } from './presence-state.ts';
import { isOver, partedAfterMs, wishOf } from './wish.ts';

export interface PresenceStep {
  readonly state: PresenceState;
  readonly decisions: readonly PresenceDecision[];
}

/**
 * One thing happens, or time passes: what is known then, and what is to be done. Pure; a step without news changes
 * nothing, so that it may be taken as often as one likes. Inputs come in the order of their times.
 */
export function stepPresence(before: PresenceState, rules: TriggerRules, input: PresenceInput): PresenceStep {
  const { at } = input;
  const decisions: PresenceDecision[] = [];
  let state = judged(noteInput(before, input), rules, at);
  const leaves = input.in === 'observed' && input.observation.kind === 'leaving';
  if (leaves && state.placement === 'docked' && rules.leaving === 'undock') {
    state = close(state, 'withdrawn', decisions);
    const why = input.observation.why === 'sleep' ? 'this device goes to sleep' : 'this device shuts down';
    return act(state, { trip: 'undock', cause: 'leaving', why }, true, decisions);
  }
  if (state.acting?.cause === 'leaving') return { state, decisions };
  state = { ...state, wish: currentWish(state, rules, at) };
  const { question } = state;
  if (question !== undefined) {
    if (state.wish?.trip !== question.trip || state.wish.cause !== question.cause) {
      state = close(state, 'withdrawn', decisions);
    } else if (input.in === 'answered' || at >= question.until) {
      const how = input.in === 'answered' ? (input.yes ? 'yes' : 'no') : 'unanswered';
      state = close(state, how, decisions);
      if (how === 'yes')
        return act(state, { ...question, why: `${question.why}; answered with yes` }, false, decisions);
      return { state: { ...spend(state), heldOffFrom: at }, decisions };
    } else return { state, decisions };
  }
  const { wish } = state;
  if (wish === undefined || wish.spent || at < ripeAt(state, wish, rules)) return { state, decisions };
  if (rules[wish.trip] === 'auto') return act(state, wish, false, decisions);
  const asked: Question = { trip: wish.trip, cause: wish.cause, why: wish.why, until: at + rules.answerInMs };
  return {
    state: { ...state, question: asked },
    decisions: [...decisions, { decide: 'ask', question: asked }],
  };
}

/** When time alone may change something next; undefined: never. */
export function nextDeadline(state: PresenceState, rules: TriggerRules, after: number): number | undefined {
  const { wish, question, host, parted, notNearSince, nearness } = state;
  const times = nearnessDeadlines(nearness);
  if (host.idleSince !== undefined) times.push(host.idleSince + rules.idleForMs);
  if (parted !== undefined && notNearSince !== undefined) times.push(notNearSince + partedAfterMs);
  if (question !== undefined) times.push(question.until);
  else if (wish?.spent === false) times.push(ripeAt(state, wish, rules));
  const next = Math.min(...times.filter((time) => time > after));
  return Number.isFinite(next) ? next : undefined;
}

/** What stands against the wish, or what it waits for; for people. */
export function outlook(state: PresenceState, rules: TriggerRules, at: number): string {
  const { wish, question } = state;
  if (state.acting !== undefined) return `${state.acting.trip} is under way`;
  if (question !== undefined) return `asks: ${question.trip}?`;
  if (wish === undefined) {
    const wished = wishOf(state, rules, at);
    return 'against' in wished ? wished.against : wished.why;
  }
  if (wish.spent) return `${wish.trip} was declined, or has been tried`;
  const dwellEnds = wish.since + dwellMs(wish, rules);
  if (at < dwellEnds) return `${wish.trip} when that has lasted a while`;
  return at < ripeAt(state, wish, rules) ? `${wish.trip} after the hold-off of the last trip` : wish.trip;
}

function judged(state: PresenceState, rules: TriggerRules, at: number): PresenceState {
  const nearness = judgeNearness(state.nearness, rules, at);
  const notNearSince = nearness.level === 'near' ? undefined : (state.notNearSince ?? at);
  const next = { ...state, nearness, notNearSince };
  return next.parted !== undefined && isOver(next.parted, next, at) ? { ...next, parted: undefined } : next;
}

/** The wish as it was, if it is still the same; a new one begins now. */
function currentWish(state: PresenceState, rules: TriggerRules, at: number): Wish | undefined {
  const wished = wishOf(state, rules, at);
  if ('against' in wished) return undefined;
  const { wish } = state;
  const same = wish?.trip === wished.trip && wish.cause === wished.cause;
  return same ? { ...wish, why: wished.why } : { ...wished, since: at, spent: false };
}

function dwellMs({ trip, cause }: Wish, rules: TriggerRules): number {
  if (trip === 'dock') return rules.nearForMs;
  return cause === 'fading' ? rules.fadingForMs : 0;
}

function ripeAt({ heldOffFrom, failedAt, placedAt }: PresenceState, wish: Wish, rules: TriggerRules): number {
  const never = Number.NEGATIVE_INFINITY;
  const quiet = wish.trip === 'dock' ? heldOffFrom : failedAt;
  return Math.max(
    wish.since + dwellMs(wish, rules),
    (quiet ?? never) + rules.holdOffMs,
    wish.trip === 'undock' ? placedAt + rules.stayForMs : never,
  );
}

function act(
  state: PresenceState,
  { trip, cause, why }: Pick<Wish, 'trip' | 'cause' | 'why'>,
  urgent: boolean,
  decisions: readonly PresenceDecision[],
): PresenceStep {
  return {
    state: { ...spend(state), acting: { trip, cause } },
    decisions: [...decisions, { decide: trip, cause, why, urgent }],
  };
}

function spend(state: PresenceState): PresenceState {
  return state.wish === undefined ? state : { ...state, wish: { ...state.wish, spent: true } };
}

function close(
  state: PresenceState,
  how: 'yes' | 'no' | 'unanswered' | 'withdrawn',
  decisions: PresenceDecision[],
): PresenceState {
  if (state.question !== undefined)
    decisions.push({ decide: 'close-question', question: state.question, how });
  return { ...state, question: undefined };
}
