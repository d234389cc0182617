import type {
  AcceptingState,
  AwayState,
  HandOverSettings,
  Input,
  LostState,
  OfferingState,
  OwnerState,
  ReleasedState,
  StartingState,
  State,
  Step,
  SuspendedState,
  WakingState,
} from './state.ts';
import { stepAway } from './step-away.ts';
import { stepOwner } from './step-owner.ts';
import { stepOffering, stepReleased } from './step-source.ts';
import { stepSuspended } from './step-suspended.ts';
import { stepAccepting, stepLost, stepStarting } from './step-target.ts';
import { stepWaking } from './step-waking.ts';

export type StepFunction = (state: State, input: Input, settings: HandOverSettings) => Step;

/**
 * One decision of the hand-over (docs/hand-over.md). Pure; never throws: what does not apply where things stand is
 * ignored, answered or rejected. The driver executes the effects in their order and feeds their results back.
 */
export const step: StepFunction = (state, input, settings) => {
  // The position tells the states apart, one level too deep for the compiler to narrow them by it.
  switch (state.position.at) {
    case 'away':
      return stepAway(state as AwayState, input, settings);
    case 'accepting':
      return stepAccepting(state as AcceptingState, input, settings);
    case 'starting':
      return stepStarting(state as StartingState, input, settings);
    case 'lost':
      return stepLost(state as LostState, input, settings);
    case 'owner':
      return stepOwner(state as OwnerState, input, settings);
    case 'offering':
      return stepOffering(state as OfferingState, input, settings);
    case 'released':
      return stepReleased(state as ReleasedState, input, settings);
    case 'suspended':
      return stepSuspended(state as SuspendedState, input, settings);
    case 'waking':
      return stepWaking(state as WakingState, input, settings);
  }
};
