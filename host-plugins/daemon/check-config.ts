import { stat } from 'node:fs/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { loadProfile } from '../system/host-inventory/load-profile.ts';
import { type DaemonConfig, defaultPolicyFolder } from './config.ts';

/** The profile that is played is there and good: wdockd can do nothing without. Throws what `loadProfile` throws. */
export async function requireProfile({ profile }: DaemonConfig, signal: AbortSignal): Promise<void> {
  if (profile !== undefined) await loadProfile(profile, signal);
}

/**
 * Throws `not-found` for policy folders that are named and not there. wdockd runs without them, since they may be made
 * at any time; but until then others' policies decide.
 */
export async function requirePolicyFolders({ file, policies }: DaemonConfig): Promise<void> {
  const missing: string[] = [];
  for (const folder of policies) {
    const isFolder = await stat(folder).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (!isFolder && folder !== defaultPolicyFolder) missing.push(folder);
  }
  if (missing.length === 0) return;
  throw new DockError(
    'not-found',
    `${file}: policies: there is no folder ${missing.join(', ')}; make it, or name another`,
  );
}
