import { chooseTriggers, type OtherDevice } from '../../policies/choose/choose-triggers.ts';
import { parsePolicy } from '../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../policies/load-policies.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import { type ChooserSettings, readPolicyText } from '../pipeline/choose.ts';
import type { SourcedRules } from './presence-unit.ts';

/** Answers for the triggers of this device as its policy files are now, and as it is now. */
export type RulesReader = (
  other: OtherDevice,
  workspacePolicy: string | undefined,
  signal: AbortSignal,
) => Promise<SourcedRules>;

/**
 * Reads this device's layers once, for all that is asked about them. Throws `config-invalid` for a mistake in a file,
 * `io` for one that cannot be read.
 */
export async function openRules(settings: ChooserSettings, signal: AbortSignal): Promise<RulesReader> {
  const profile: HostProfile = await settings.discoverHost(signal);
  const layers = await loadPolicyLayers(
    { folders: settings.policyFolders, deviceClass: profile.deviceClass, deviceName: settings.deviceName },
    signal,
  );
  return async (other, workspacePolicy) => {
    const policy = await readPolicyText(workspacePolicy);
    const all = policy === undefined ? layers : [...layers, parsePolicy(policy.text, policy.file)];
    return chooseTriggers(all, profile, other);
  };
}
