import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { type Choice, choose } from '../../policies/choose/choose.ts';
import type { ChoiceContext } from '../../policies/choose/host-conditions.ts';
import { parsePolicy } from '../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../policies/load-policies.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { peerMethods } from '../../protocol/peer-methods.ts';
import type { MachineContract } from '../../protocol/workspace.ts';

/** Policy overrides of a workspace, as they travel with it. */
export type PolicyText = NonNullable<z.output<(typeof peerMethods)['choose']['params']>['policy']>;

export interface ChooserSettings {
  readonly policyFolders: readonly string[];
  readonly deviceName: string;
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
}

/**
 * What this device gives a workspace: its class's policy, its own, the workspace's overrides, and what it is now.
 * Throws `config-invalid` with file, line and column for a mistake in a policy.
 */
export async function chooseHere(
  settings: ChooserSettings,
  contract: MachineContract,
  policy: PolicyText | undefined,
  signal: AbortSignal,
  situation: Pick<ChoiceContext, 'trust'> = {},
): Promise<Choice & { profile: HostProfile }> {
  const profile = await settings.discoverHost(signal);
  const layers = await loadPolicyLayers(
    { folders: settings.policyFolders, deviceClass: profile.deviceClass, deviceName: settings.deviceName },
    signal,
  );
  if (policy !== undefined) layers.push(parsePolicy(policy.text, policy.file));
  return {
    ...choose(layers, profile, contract, { deviceName: settings.deviceName, ...situation }),
    profile,
  };
}

/** Reads the overrides of a workspace; undefined where it has none. */
export async function readPolicyText(file: string | undefined): Promise<PolicyText | undefined> {
  if (file === undefined) return undefined;
  try {
    return { text: await readFile(file, 'utf8'), file };
  } catch (error) {
    throw new DockError('io', `the workspace's policy ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
