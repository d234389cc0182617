import type { DeviceClass, HostProfile, LinkFacts } from '../../protocol/host-profile.ts';
import type { Condition } from '../language/policy-document.ts';

/** What a choice depends on besides the host's profile. */
export interface ChoiceContext {
  /** The name under which the device was paired; for `if: { device: … }`. */
  readonly deviceName?: string;
  /** Default: a kiosk is not trusted, everything else that is paired is. */
  readonly trust?: 'trusted' | 'untrusted';
  /** For `if: { class: … }`, where it is not the class of the profile. */
  readonly deviceClass?: DeviceClass | 'not known yet';
}

export interface ConditionResult {
  readonly holds: boolean;
  /** The facts that decided: `power is battery`. */
  readonly because: string;
}

/** Links that carry something: those with an address, or all where none has one yet. */
export function usableLinks(links: readonly LinkFacts[]): readonly LinkFacts[] {
  const connected = links.filter((link) => link.addresses.length > 0);
  return connected.length > 0 ? connected : links;
}

/** All that the condition names must hold. The reason names what failed, or else what held. */
export function conditionHolds(
  condition: Condition,
  profile: HostProfile,
  context: ChoiceContext,
): ConditionResult {
  const failed: string[] = [];
  const held: string[] = [];
  const check = (holds: boolean, fact: string) => (holds ? held : failed).push(fact);
  const oneOf = (name: string, wanted: readonly string[] | undefined, actual: string) => {
    if (wanted !== undefined) check(wanted.includes(actual), `${name} is ${actual}`);
  };

  oneOf('power', condition.power && [condition.power], profile.power.source);
  if (condition.batteryBelow !== undefined) {
    const { percent } = profile.power;
    if (percent === undefined) check(false, 'the charge of the battery is not known');
    else check(percent < condition.batteryBelow, `the battery has ${percent}%`);
  }
  oneOf('display', condition.display, displaySituation(profile));
  oneOf('link', condition.link, linkSituation(profile));
  if (condition.metered !== undefined) {
    const links = usableLinks(profile.links);
    const metered = links.length > 0 && links.every((link) => link.metered);
    check(metered === condition.metered, metered ? 'every link is metered' : 'not every link is metered');
  }
  oneOf('class', condition.class, context.deviceClass ?? profile.deviceClass);
  oneOf('device', condition.device, context.deviceName ?? 'not named');
  oneOf('trust', condition.trust && [condition.trust], trustOf(profile, context));
  return failed.length > 0
    ? { holds: false, because: failed.join(', ') }
    : { holds: true, because: held.join(', ') };
}

function displaySituation({ displays }: HostProfile): 'none' | 'internal' | 'external' {
  if (displays.length === 0) return 'none';
  return displays.some((display) => !display.internal) ? 'external' : 'internal';
}

function linkSituation(profile: HostProfile): 'none' | 'wifi' | 'ethernet' {
  const links = usableLinks(profile.links);
  if (links.length === 0) return 'none';
  return links.some((link) => link.kind === 'ethernet') ? 'ethernet' : 'wifi';
}

function trustOf(profile: HostProfile, context: ChoiceContext): 'trusted' | 'untrusted' {
  return context.trust ?? (profile.deviceClass === 'kiosk' ? 'untrusted' : 'trusted');
}
