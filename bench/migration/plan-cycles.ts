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
  /** Whether the PC has the image that the guest's disk stands on, which is of use to wdock alone. */
  readonly baseImage: boolean;
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
        systems.flatMap((system) => {
          const cycle = { repetition, link, load, system, baseImage: load === 'page-cache' };
          const first = { ...cycle, legs: quick ? quickLegs(load) : fullLegs };
          // QEMU alone has nothing to send ahead; and a guest that has been there once needs no warm-up.
          const isWarmed = system === 'wdock' && (!quick || load === 'page-cache');
          return isWarmed ? [first, { ...cycle, legs: warmedLegs }] : [first];
        }),
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

/** A first way there, after its memory was sent ahead while it ran. */
const warmedLegs: readonly Leg[] = [{ trip: 'warmed', work: undefined }];

/** Only what the limits of the project are about. */
function quickLegs(load: GuestLoad): readonly Leg[] {
  const dock: Leg = { trip: 'dock', work: undefined };
  return load === 'idle' ? [dock, { trip: 'return', work: { minutes: 1, speed: 3 } }] : [dock];
}
