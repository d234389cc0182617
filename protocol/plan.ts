import type { Resource } from './allocation.ts';

/**
 * One step from the allocation that is to the one that shall be:
 * - `before-move` runs on the source while the VM still runs there (shrinking);
 * - `on-arrival` on the target while the VM's memory is on its way and the VM runs elsewhere: what may be laid early
 *   (the network path, not yet answering for the guest), so that it costs no standstill;
 * - `before-run` on the target after the state has arrived and before the VM runs: what the guest must find in
 *   place (display size); the guest cannot be asked;
 * - `on-run` on the target at the moment at which the VM runs, without waiting for the agent (announcements);
 * - `after-move` on the target, with the guest's agent where there is one.
 */
export interface PlanStep {
  readonly resource: Resource;
  readonly when: 'before-move' | 'on-arrival' | 'before-run' | 'on-run' | 'after-move';
  /** What it does, for progress lines: `unplug 3 vCPUs`. */
  readonly text: string;
  /** Read by the plugin that planned it, and by nobody else. */
  readonly change: Readonly<Record<string, unknown>>;
}
