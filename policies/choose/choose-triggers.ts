import type { Decision } from '../../protocol/control-methods.ts';
import type { DeviceClass, HostProfile } from '../../protocol/host-profile.ts';
import type { Policy } from '../language/parse-policy.ts';
import { durationText } from '../language/quantities.ts';
import type { DockCondition, TriggerMode, UndockCause } from '../language/trigger-section.ts';
import { parseHours, type WeeklyHours } from '../language/weekly-hours.ts';
import { combineLayers } from './combine-layers.ts';
import type { Settings, Sourced } from './settings.ts';

/** When a workspace goes to another device and comes back without a command. Durations in ms, qualities 0 to 100. */
export interface TriggerRules {
  readonly dock: TriggerMode;
  readonly dockWhen: readonly DockCondition[];
  readonly idleForMs: number;
  readonly hours: readonly WeeklyHours[];
  readonly undock: TriggerMode;
  readonly undockOn: readonly UndockCause[];
  readonly leaving: 'stay' | 'undock';
  readonly answerInMs: number;
  readonly near: number;
  /** At most `near`. */
  readonly fading: number;
  readonly nearForMs: number;
  readonly fadingForMs: number;
  readonly stayForMs: number;
  readonly holdOffMs: number;
}

/** The device at the other end: where it would dock to, or where its home is. */
export interface OtherDevice {
  readonly name: string;
  readonly deviceClass: DeviceClass | undefined;
  readonly trust: 'trusted' | 'untrusted';
}

/** The rule that no policy file makes, and none can lift. */
const kioskRule = 'a kiosk';

/**
 * The triggers of this device towards another. `layers` are this device's, weakest first, as for `choose`, and
 * `profile` is its own; in their `when`, `device`, `class` and `trust` ask about the other device.
 */
export function chooseTriggers(
  layers: readonly Policy[],
  profile: HostProfile,
  other: OtherDevice,
): { rules: TriggerRules; decisions: Decision[] } {
  const { settings, decisions: conditions } = combineLayers(layers, profile, {
    deviceName: other.name,
    deviceClass: other.deviceClass ?? 'not known yet',
    trust: other.trust,
  });
  const { triggers } = settings;
  const decisions = [...conditions, ...describe(triggers)];
  let dock = triggers.dock.value;
  if (other.trust === 'untrusted' && dock !== 'never') {
    dock = 'never';
    const because = `"${other.name}" is not trusted: a person says when to go there`;
    decisions.push({ what: 'triggers.dock', value: dock, rule: kioskRule, because });
  }
  let fading = triggers.fading.value;
  if (fading > triggers.near.value) {
    fading = triggers.near.value;
    const because = 'it is never more than near';
    decisions.push({ what: 'triggers.fading', value: `${fading}%`, rule: triggers.near.rule, because });
  }
  return {
    rules: {
      dock,
      dockWhen: triggers.dockWhen.value,
      idleForMs: triggers.idleFor.value,
      hours: triggers.hours.value.flatMap((text) => parseHours(text) ?? []),
      undock: triggers.undock.value,
      undockOn: triggers.undockOn.value,
      leaving: triggers.leaving.value,
      answerInMs: triggers.answerIn.value,
      near: triggers.near.value,
      fading,
      nearForMs: triggers.nearFor.value,
      fadingForMs: triggers.fadingFor.value,
      stayForMs: triggers.stayFor.value,
      holdOffMs: triggers.holdOff.value,
    },
    decisions,
  };
}

type Triggers = Settings['triggers'];

const meanings: { readonly [K in keyof Triggers]: string } = {
  dock: 'when the other device is near and all of dockWhen holds',
  dockWhen: 'has to hold on this device, too',
  idleFor: 'nobody has used this device for so long, where dockWhen has idle',
  hours: 'docks then only',
  undock: 'on any cause of undockOn',
  undockOn: 'sends the workspace home',
  leaving: 'before this device sleeps or shuts down',
  answerIn: 'no answer to a question in this time is a no',
  near: 'link quality from which a device is near',
  fading: 'link quality below which it is not',
  nearFor: 'so long has all of it to hold before it docks',
  fadingFor: 'so long has the link to fade before it undocks',
  stayFor: 'stays docked so long at least',
  holdOff: 'docks nowhere for so long after a trip',
};

const percents: ReadonlySet<string> = new Set(['near', 'fading']);

function describe(triggers: Triggers): Decision[] {
  return Object.entries(meanings).map(([key, because]) => {
    const { value, rule }: Sourced<unknown> = triggers[key as keyof Triggers];
    return { what: `triggers.${key}`, value: valueText(key, value), rule, because };
  });
}

function valueText(key: string, value: unknown): string {
  if (Array.isArray(value))
    return value.length === 0 ? (key === 'hours' ? 'always' : 'nothing') : value.join(', ');
  if (typeof value !== 'number') return String(value);
  return percents.has(key) ? `${value}%` : durationText(value);
}
