import type { TriggerRules } from '../../../policies/choose/choose-triggers.ts';
import {
  minutesOfDay,
  minutesOfWeek,
  type WeekTime,
  withinHours,
} from '../../../policies/language/weekly-hours.ts';
import { presenceName } from '../engine/presence-name.ts';
import {
  type PresenceDecision,
  type PresenceInput,
  type PresenceState,
  unknownPresence,
} from '../engine/presence-state.ts';
import { nextDeadline, outlook, stepPresence } from '../engine/step-presence.ts';
import type { TraceDocument } from './trace-document.ts';
import { type TraceEvent, traceEvents } from './trace-events.ts';

/** One line of what a trace leads to. */
export interface TimelineEntry {
  /** Since the beginning of the trace. */
  readonly atMs: number;
  readonly state: 'away' | 'seen' | 'near' | 'docked';
  /** `event`: as in the trace; `state`: the state changed; `decision`: the rules' word; `trip`: its end. */
  readonly kind: 'event' | 'state' | 'decision' | 'trip';
  readonly what: string;
  readonly why: string;
}

/** The rules while the device is on mains, and while it is on battery: a policy's `when` may tell them apart. */
export type RulesOn = { readonly mains: TriggerRules; readonly battery: TriggerRules };

type Happening = TraceEvent | { at: number; kind: 'hours'; within: boolean } | { at: number; kind: 'end' };
type WithoutTime<T> = T extends unknown ? Omit<T, 'at'> : never;

const minuteMs = 60_000;

/**
 * What the rules make of a trace: the engine of wdockd with the trace for its eyes and clock, and trips that take as
 * long as the trace says.
 */
export function playTrace(trace: TraceDocument, rulesOn: RulesOn): TimelineEntry[] {
  const player = new Player(trace, rulesOn);
  const events = traceEvents(trace);
  const end = Math.max(trace.ends ?? 0, events.at(-1)?.at ?? 0);
  const happenings: Happening[] = [
    ...hoursOf(rulesOn, trace.starts, end),
    ...events,
    { at: end, kind: 'end' },
  ];
  happenings.sort((a, b) => a.at - b.at);
  player.feed({ in: 'placed', placement: trace.workspace }, 0);
  for (const happening of happenings) {
    player.passUntil(happening.at);
    player.happen(happening);
  }
  player.finishTrip();
  return player.timeline;
}

class Player {
  readonly timeline: TimelineEntry[] = [];
  readonly #rulesOn: RulesOn;
  readonly #tripTakesMs: number;
  #state: PresenceState = unknownPresence;
  #now = 0;
  #trip: { readonly endsAt: number; readonly kind: 'dock' | 'undock'; readonly decided: boolean } | undefined;
  #tripsFail = false;

  constructor(trace: TraceDocument, rulesOn: RulesOn) {
    this.#rulesOn = rulesOn;
    this.#tripTakesMs = trace.tripTakes;
  }

  get #rules(): TriggerRules {
    return this.#rulesOn[this.#state.host.mains === false ? 'battery' : 'mains'];
  }

  /** Lets time pass: deadlines of the engine and the end of a trip come in their order. */
  passUntil(until: number): void {
    for (;;) {
      const deadline = nextDeadline(this.#state, this.#rules, this.#now) ?? Number.POSITIVE_INFINITY;
      const next = Math.min(deadline, this.#trip?.endsAt ?? Number.POSITIVE_INFINITY);
      if (next > until) break;
      if (next === this.#trip?.endsAt) this.#endTrip();
      else this.feed({ in: 'tick' }, next);
    }
    this.#now = Math.max(this.#now, until);
  }

  happen(happening: Happening): void {
    const { at } = happening;
    switch (happening.kind) {
      case 'observation':
        if (happening.text !== undefined) this.#say('event', happening.text, '');
        this.feed({ in: 'observed', observation: happening.observation }, at);
        break;
      case 'hours':
        this.feed({ in: 'hours', within: happening.within }, at);
        break;
      case 'trips':
        this.#tripsFail = happening.go === 'fail';
        this.#say('event', `trips ${happening.go} from now on`, '');
        break;
      case 'hand':
        this.#byHand(happening.does, at);
        break;
      case 'end':
        break;
    }
  }

  /** Past the end of the trace: what is under way is shown to its end. */
  finishTrip(): void {
    if (this.#trip !== undefined) this.#endTrip();
  }

  feed(input: WithoutTime<PresenceInput>, at: number): void {
    this.#now = at;
    const before = presenceName(this.#state);
    const rulesBefore = this.#rules;
    const { state, decisions } = stepPresence(this.#state, rulesBefore, { ...input, at });
    this.#state = state;
    const after = presenceName(state);
    if (after !== before) {
      const why = after === 'docked' || before === 'docked' ? '' : state.nearness.why;
      this.#say('state', after, why === '' ? outlook(state, this.#rules, at) : why);
    }
    for (const decision of decisions) this.#decided(decision);
    if (this.#rules !== rulesBefore) this.feed({ in: 'tick' }, at);
  }

  #decided(decision: PresenceDecision): void {
    switch (decision.decide) {
      case 'ask':
        this.#say('decision', `ask: ${decision.question.trip}?`, decision.question.why);
        break;
      case 'close-question':
        this.#say('decision', `${decision.question.trip}? ${decision.how}`, closings[decision.how]);
        break;
      case 'dock':
      case 'undock':
        this.#say('decision', decision.decide, decision.why);
        this.#startTrip(decision.decide, true);
        break;
    }
  }

  #byHand(does: 'dock' | 'undock' | 'yes' | 'no', at: number): void {
    this.#say('event', `by hand: ${does}`, '');
    if (does === 'yes' || does === 'no') this.feed({ in: 'answered', yes: does === 'yes' }, at);
    else if (this.#state.placement === (does === 'dock' ? 'home' : 'docked')) this.#startTrip(does, false);
    else this.#say('event', 'refused', `it is ${this.#state.placement} already`);
  }

  #startTrip(kind: 'dock' | 'undock', decided: boolean): void {
    if (this.#trip !== undefined) return;
    this.#trip = { endsAt: this.#now + this.#tripTakesMs, kind, decided };
    this.feed({ in: 'placed', placement: 'moving' }, this.#now);
  }

  #endTrip(): void {
    const trip = this.#trip;
    if (trip === undefined) return;
    this.#trip = undefined;
    this.#now = trip.endsAt;
    const target = trip.kind === 'dock' ? 'docked' : 'home';
    const origin = trip.kind === 'dock' ? 'home' : 'docked';
    this.#say('trip', `${trip.kind} ${this.#tripsFail ? 'failed' : 'done'}`, '');
    if (this.#tripsFail && trip.decided) this.feed({ in: 'trip-failed', byHand: false }, trip.endsAt);
    this.feed({ in: 'placed', placement: this.#tripsFail ? origin : target }, trip.endsAt);
  }

  #say(kind: TimelineEntry['kind'], what: string, why: string): void {
    this.timeline.push({ atMs: this.#now, state: presenceName(this.#state), kind, what, why });
  }
}

const closings = {
  yes: 'answered',
  no: 'answered',
  unanswered: 'nobody answered in time, which is a no',
  withdrawn: 'its reason has ended',
};

/** When `triggers.hours` begin and end within the trace, and how it is at first; those that hold on mains. */
function hoursOf({ mains: { hours } }: RulesOn, starts: WeekTime, end: number): Happening[] {
  if (hours.length === 0) return [];
  const changes: Happening[] = [];
  let last: boolean | undefined;
  for (let minute = 0; minute * minuteMs <= end; minute++) {
    const ofWeek = (starts.day * minutesOfDay + starts.minute + minute) % minutesOfWeek;
    const time = { day: Math.floor(ofWeek / minutesOfDay), minute: ofWeek % minutesOfDay };
    const within = withinHours(hours, time);
    if (within !== last) changes.push({ at: minute * minuteMs, kind: 'hours', within });
    last = within;
  }
  return changes;
}
