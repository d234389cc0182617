import type { HeartbeatTimes } from '../rpc/heartbeat.ts';

/**
 * Both ends are on one machine, where a dead process closes its socket at once: pings only find a wdock that was
 * stopped (Ctrl-Z), and a loaded machine must not be taken for one.
 */
export const localHeartbeat: HeartbeatTimes = { busyMs: 10_000, idleMs: 30_000, unanswered: 6 };

/** What wdockd says of its device when wdock connects, so that every output can carry the mark. */
export interface DeviceMark {
  readonly name: string;
  readonly simulated: boolean;
}

/** Headers of the answer to wdock's Upgrade request. */
export const markHeaders = { name: 'wdock-device', simulated: 'wdock-simulated' } as const;
