import type { NetworkMode, PowerProfile } from '../../protocol/allocation.ts';
import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { DisplayUse } from '../language/policy-document.ts';
import type { MiB, Milliseconds, Percent, ShareOrSize } from '../language/quantities.ts';
import type { DockCondition, TriggerMode, UndockCause } from '../language/trigger-section.ts';

/** A value and the rule that set it, as `explain` shows it: `desktop.yaml:7 memory.share`. */
export interface Sourced<T> {
  readonly value: T;
  readonly rule: string;
}

type Automatic = 'auto' | 'always' | 'never';

/** What all policy layers together say for one host. A limit that nobody set is absent. */
export interface Settings {
  readonly vcpus: {
    readonly share: Sourced<Percent>;
    readonly leave: Sourced<number>;
    readonly min: Sourced<number>;
    readonly max?: Sourced<number>;
  };
  readonly memory: {
    readonly share: Sourced<Percent>;
    readonly leave: Sourced<ShareOrSize>;
    readonly min?: Sourced<MiB>;
    readonly max?: Sourced<MiB>;
  };
  readonly display: { readonly use: Sourced<DisplayUse>; readonly scale: Sourced<'auto' | number> };
  readonly network: {
    readonly prefer: Sourced<readonly NetworkMode[]>;
    readonly links: Sourced<readonly LinkFacts['kind'][]>;
    readonly bridge: Sourced<'make' | 'existing'>;
    readonly metered: Sourced<Automatic>;
    readonly anchor: Sourced<'always' | 'never'>;
    readonly anchorFor: Sourced<Milliseconds>;
    readonly reach: Sourced<'everything' | 'internet'>;
    readonly open: Sourced<readonly string[]>;
    readonly forward: Sourced<readonly string[]>;
  };
  /** Unit by unit; the last rule that names a unit decides about it. */
  readonly services: ReadonlyMap<string, Sourced<'sleep' | 'awake'>>;
  readonly power: { readonly mains: Sourced<PowerProfile>; readonly battery: Sourced<PowerProfile> };
  readonly input: { readonly onScreenKeyboard: Sourced<Automatic> };
  readonly kiosk: {
    readonly lock: Sourced<'always' | 'never'>;
    readonly unmount: Sourced<readonly string[]>;
  };
  readonly move: {
    readonly maxDelay: Sourced<Milliseconds>;
    readonly headroom: Sourced<ShareOrSize>;
    readonly trimCache: Sourced<Automatic>;
    readonly keepCache: Sourced<MiB>;
  };
  readonly triggers: {
    readonly dock: Sourced<TriggerMode>;
    readonly dockWhen: Sourced<readonly DockCondition[]>;
    readonly idleFor: Sourced<Milliseconds>;
    readonly hours: Sourced<readonly string[]>;
    readonly undock: Sourced<TriggerMode>;
    readonly undockOn: Sourced<readonly UndockCause[]>;
    readonly leaving: Sourced<'stay' | 'undock'>;
    readonly answerIn: Sourced<Milliseconds>;
    readonly near: Sourced<Percent>;
    readonly fading: Sourced<Percent>;
    readonly nearFor: Sourced<Milliseconds>;
    readonly fadingFor: Sourced<Milliseconds>;
    readonly stayFor: Sourced<Milliseconds>;
    readonly holdOff: Sourced<Milliseconds>;
  };
}

const builtIn = <T>(value: T): Sourced<T> => ({ value, rule: 'built-in' });

/** What holds where no policy says anything; docs/policies.md lists the same values. */
export const builtInSettings: Settings = {
  vcpus: { share: builtIn(100 as Percent), leave: builtIn(0), min: builtIn(1) },
  memory: { share: builtIn(50 as Percent), leave: builtIn({ share: 15 as Percent }) },
  display: { use: builtIn('largest'), scale: builtIn('auto') },
  network: {
    prefer: builtIn(['bridged', 'routed', 'nat']),
    links: builtIn(['ethernet', 'wifi']),
    bridge: builtIn('make'),
    metered: builtIn('auto'),
    anchor: builtIn('always'),
    anchorFor: builtIn((12 * 60 * 60_000) as Milliseconds),
    reach: builtIn('everything'),
    open: builtIn([]),
    forward: builtIn([]),
  },
  services: new Map(),
  power: { mains: builtIn('balanced'), battery: builtIn('power-saver') },
  input: { onScreenKeyboard: builtIn('auto') },
  kiosk: { lock: builtIn('always'), unmount: builtIn([]) },
  move: {
    maxDelay: builtIn(5000 as Milliseconds),
    headroom: builtIn({ share: 10 as Percent }),
    trimCache: builtIn('auto'),
    keepCache: builtIn(64 as MiB),
  },
  triggers: {
    dock: builtIn('never'),
    dockWhen: builtIn([]),
    idleFor: builtIn(300_000 as Milliseconds),
    hours: builtIn([]),
    undock: builtIn('never'),
    undockOn: builtIn(['unplugged', 'fading']),
    leaving: builtIn('undock'),
    answerIn: builtIn(60_000 as Milliseconds),
    near: builtIn(65 as Percent),
    fading: builtIn(45 as Percent),
    nearFor: builtIn(20_000 as Milliseconds),
    fadingFor: builtIn(5000 as Milliseconds),
    stayFor: builtIn(30_000 as Milliseconds),
    holdOff: builtIn(300_000 as Milliseconds),
  },
};
