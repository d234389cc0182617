import type { Decision } from '../../protocol/control-methods.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { Policy } from '../language/parse-policy.ts';
import { type Sections, sectionNames } from '../language/policy-document.ts';
import { type KeyPath, pathText } from '../positioned-yaml/fault.ts';
import { type ChoiceContext, conditionHolds } from './host-conditions.ts';
import { builtInSettings, type Settings, type Sourced } from './settings.ts';

type Unit = Sourced<'sleep' | 'awake'>;

/**
 * What the layers say together, weakest first: device class, device, workspace. In each, what stands outside of
 * `when` comes first, then every `when` whose condition holds, in order. A later value replaces an earlier one,
 * key by key; only the units of `services` add up.
 */
export function combineLayers(
  layers: readonly Policy[],
  profile: HostProfile,
  context: ChoiceContext,
): { settings: Settings; decisions: Decision[] } {
  const sections: Record<string, Record<string, Sourced<unknown>>> = {};
  for (const name of sectionNames) {
    if (name !== 'services') sections[name] = { ...builtInSettings[name] };
  }
  const units = new Map<string, Unit>();
  const decisions: Decision[] = [];

  const take = (policy: Policy, from: Sections, path: KeyPath) => {
    for (const name of sectionNames) {
      for (const [key, value] of Object.entries(from[name] ?? {})) {
        if (value === undefined) continue;
        const rule = ruleText(policy, [...path, name, key], [name, key]);
        const section = sections[name];
        if (section !== undefined) section[key] = { value, rule };
      }
    }
    for (const state of ['sleep', 'awake'] as const) {
      from.services?.[state]?.forEach((unit, index) => {
        const rule = ruleText(policy, [...path, 'services', state, index], ['services', state]);
        units.set(unit, { value: state, rule });
      });
    }
  };

  for (const policy of layers) {
    take(policy, policy.document, []);
    policy.document.when?.forEach((conditional, index) => {
      const { holds, because } = conditionHolds(conditional.if, profile, context);
      decisions.push({
        what: 'when',
        value: holds ? 'applies' : 'does not apply',
        rule: ruleText(policy, ['when', index, 'if'], ['when', index]),
        because,
      });
      if (holds) take(policy, conditional, ['when', index]);
    });
  }
  // The sections hold what the schema of the language let through, under the same keys as Settings.
  return { settings: { ...sections, services: units } as unknown as Settings, decisions };
}

function ruleText(policy: Policy, place: KeyPath, name: KeyPath): string {
  return `${policy.file}:${policy.lineOf(place)} ${pathText(name)}`;
}
