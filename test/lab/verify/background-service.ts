import { readFileSync, statSync } from 'node:fs';

/** The service of the lab's guest that the workspace's policy has sleep on the MID. */
export const backgroundService = 'lab-background.service';

/** What the service did, and what the guest's kernel says of it; the agent has no part in either. */
export interface BackgroundState {
  /** Grows by one each second while it runs. */
  readonly beats: number;
  /** Every process of it is stopped by the cgroup freezer. */
  readonly frozen: boolean;
}

/** undefined where the service does not run. */
export function readBackground(): BackgroundState | undefined {
  try {
    const events = readFileSync(`/sys/fs/cgroup/system.slice/${backgroundService}/cgroup.events`, 'utf8');
    return { beats: statSync('/run/lab-background/beats').size, frozen: parseFrozen(events) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENODEV: the group went away between being opened and being read.
    if (code === 'ENOENT' || code === 'ENODEV') return undefined;
    throw error;
  }
}

/**
 * The field of cgroup.events (Documentation/admin-guide/cgroup-v2.rst), which says what is, and not what was asked for.
 * @throws Error where it is not there
 */
export function parseFrozen(events: string): boolean {
  const found = /^frozen ([01])$/m.exec(events)?.[1];
  if (found === undefined) throw new Error(`cgroup.events has no field "frozen": ${JSON.stringify(events)}`);
  return found === '1';
}
