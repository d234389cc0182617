import type { Check } from '../../../protocol/control-methods.ts';
import type { ObservationSource } from '../observation.ts';

/** A source that can say, for `wdock doctor`, whether it is to be had here. */
export interface CheckedSource extends ObservationSource {
  /** Looks now; throws only when `signal` aborts. */
  check(signal: AbortSignal): Promise<Check>;
}
