import type { UndockCause } from '../../../policies/language/trigger-section.ts';
import type { Observation } from '../observation.ts';
import { type Nearness, unknownNearness } from './nearness.ts';

/** One workspace and one other device, as one of the two devices sees them. Times as in nearness.ts. */
export interface PresenceState {
  readonly nearness: Nearness;
  readonly host: HostFacts;
  readonly placement: Placement;
  /** Since when it is placed so. */
  readonly placedAt: number;
  /** The last placement that was not `moving`. */
  readonly settled: Exclude<Placement, 'moving'>;
  /** Set by an undock: what has to end before it docks again. */
  readonly parted: 'by-hand' | 'leaving' | UndockCause | undefined;
  /** Since when the device is not near. */
  readonly notNearSince: number | undefined;
  /** The last trip's end, failure, or no to a question: no dock within the hold-off after it. */
  readonly heldOffFrom: number | undefined;
  /** The last failure: no trip at all within the hold-off after it. */
  readonly failedAt: number | undefined;
  readonly wish: Wish | undefined;
  readonly question: Question | undefined;
  /** The trip that was decided and has not ended. */
  readonly acting: { readonly trip: 'dock' | 'undock'; readonly cause: Cause } | undefined;
}

/**
 * `home`: it runs on its home device and could dock; `docked`: it runs away from home, with the two devices being where
 * it is and where its home is; `other`: whatever gives nothing to decide (stopped, at a third device, none at all).
 */
export type Placement = 'home' | 'docked' | 'moving' | 'other';

/** What is known of this device; undefined where no source tells. */
export interface HostFacts {
  readonly mains: boolean | undefined;
  readonly lidClosed: boolean | undefined;
  readonly cable: boolean | undefined;
  readonly locked: boolean | undefined;
  readonly idleSince: number | undefined;
  /** Within `triggers.hours`. */
  readonly withinHours: boolean;
  /** It was unplugged, or locked, after the workspace had docked, and still is: a state that was there before is no wish. */
  readonly unpluggedMeanwhile: boolean;
  readonly lockedMeanwhile: boolean;
}

export type Cause = 'near' | 'leaving' | UndockCause;

/** A trip that all conditions speak for; it may still have to wait. */
export interface Wish {
  readonly trip: 'dock' | 'undock';
  readonly cause: Cause;
  readonly why: string;
  readonly since: number;
  /** Acted upon or declined: nothing more comes of it before it has ended. */
  readonly spent: boolean;
}

export interface Question {
  readonly trip: 'dock' | 'undock';
  readonly cause: Cause;
  readonly why: string;
  /** No answer until then is a no. */
  readonly until: number;
}

export type PresenceInput = { readonly at: number } & (
  | { readonly in: 'observed'; readonly observation: Observation }
  | { readonly in: 'placed'; readonly placement: Placement }
  /** A trip that was decided here did not come about; `byHand`: because somebody cancelled it. */
  | { readonly in: 'trip-failed'; readonly byHand: boolean }
  | { readonly in: 'answered'; readonly yes: boolean }
  | { readonly in: 'hours'; readonly within: boolean }
  /** Time has passed, or the rules have changed. */
  | { readonly in: 'tick' }
);

export type PresenceDecision =
  | {
      readonly decide: 'dock' | 'undock';
      readonly cause: Cause;
      readonly why: string;
      readonly urgent: boolean;
    }
  | { readonly decide: 'ask'; readonly question: Question }
  | {
      readonly decide: 'close-question';
      readonly question: Question;
      readonly how: 'yes' | 'no' | 'unanswered' | 'withdrawn';
    };

export const unknownPresence: PresenceState = {
  nearness: unknownNearness,
  host: {
    mains: undefined,
    lidClosed: undefined,
    cable: undefined,
    locked: undefined,
    idleSince: undefined,
    withinHours: true,
    unpluggedMeanwhile: false,
    lockedMeanwhile: false,
  },
  placement: 'other',
  placedAt: Number.NEGATIVE_INFINITY,
  settled: 'other',
  parted: undefined,
  notNearSince: undefined,
  heldOffFrom: undefined,
  failedAt: undefined,
  wish: undefined,
  question: undefined,
  acting: undefined,
};
