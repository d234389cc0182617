import type { GuestLoad } from '../../test/lab/loads/load-names.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import type { SystemName, TripName } from './figures.ts';

/** What the guest does before a trip: so many minutes of its load, in less time where `speed` is more than 1. */
export interface Work {
  readonly minutes: number;
  readonly speed: number;
}

export interface Leg {
  readonly trip: TripName;
  readonly work: Work | undefined;
}

/** A guest of its own from its start on the MID: the trips of one system with one load on one link. */
export interface Cycle {
  readonly repetition: number;
  readonly link: LinkShapeName;
  readonly load: GuestLoad;
  readonly system: SystemName;
  readonly legs: readonly Leg[];
}

export interface CycleChoice {
  readonly quick: boolean;
  readonly repetitions: number;
  readonly links: readonly LinkShapeName[];
  readonly loads: readonly GuestLoad[];
  readonly systems: readonly SystemName[];
}

/** The systems take turns, so that what else this machine does meets them alike. */
export function planCycles({ quick, repetitions, links, loads, systems }: CycleChoice): Cycle[] {
  return Array.from({ length: repetitions }, (_, index) => index + 1).flatMap((repetition) =>
    links.flatMap((link) =>
      loads.flatMap((load) =>
        systems.map((system) => ({
          ...{ repetition, link, load, system },
          legs: quick ? quickLegs(load) : fullLegs,
        })),
      ),
    ),
  );
}

const minute: Work = { minutes: 1, speed: 1 };
const fullLegs: readonly Leg[] = [
  { trip: 'dock', work: undefined },
  { trip: 'return', work: minute },
  { trip: 'redock', work: undefined },
  { trip: 'return', work: { minutes: 30, speed: 10 } },
];

/** Only what the limits of the project are about. */
function quickLegs(load: GuestLoad): readonly Leg[] {
  const dock: Leg = { trip: 'dock', work: undefined };
  return load === 'idle' ? [dock, { trip: 'return', work: { minutes: 1, speed: 3 } }] : [dock];
}
