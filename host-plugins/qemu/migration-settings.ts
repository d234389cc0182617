import type { Qmp } from '../contract/virtual-machine.ts';
import type { Steering } from './convergence.ts';

/** Limits of one move. Undefined: as QEMU has it. */
export interface MigrationLimits {
  /** Bytes a second; 0 for none. QEMU's own default is 128 MiB/s, which slows a fast link. */
  readonly maxBandwidthBytesPerS?: number;
  /** The guest is to stand still no longer than this at the switch-over, ms; QEMU 10: 300. */
  readonly downtimeLimitMs?: number;
  /** … and this long where even slowing it does not bring the move to an end (convergence.ts), ms; not longer by default. */
  readonly maxDowntimeMs?: number;
  /** Nothing goes through for so long: the move is given up, ms; default: 90,000. */
  readonly stallLimitMs?: number;
  /** What the link is thought to carry, until that is measured, bytes a second. */
  readonly linkBytesPerS?: number;
}

/**
 * What both ends of a move have set, always: `return-path`, because without it the source says `completed`
 * even when the target refused the stream; `pause-before-switchover`, because the hand-over
 * decides when the source gives up; `late-block-activate`, so that the target leaves the disk alone until it
 * runs; `events`, for progress; `auto-converge`, which `unslowed` holds back until it is needed.
 */
const moving = {
  'return-path': true,
  'pause-before-switchover': true,
  'late-block-activate': true,
  'auto-converge': true,
  events: true,
} as const;

/**
 * Whether the guest may be slowed cannot be changed while a move goes on, how much can. QEMU by itself would slow it after any
 * two passes in which it wrote half of what went through, as it does whenever the link dips. 1 per cent, the least there is, is
 * a tenth of a millisecond in ten.
 */
const unslowed = { 'throttle-trigger-threshold': 100, ...throttling(1) };

/** QEMU slows in steps, and this makes it one. */
function throttling(percent: number): object {
  return {
    'cpu-throttle-initial': percent,
    'cpu-throttle-increment': 99,
    'max-cpu-throttle': percent,
    'cpu-throttle-tailslow': false,
  };
}

/**
 * A file answers nothing and hands over to nobody. `late-block-activate` only matters to the receiving side.
 */
const saving = {
  ...moving,
  'return-path': false,
  'pause-before-switchover': false,
  'auto-converge': false,
} as const;

/** To somebody who only reads: the VM runs while most of it is read, and it is decided here when it stops for the rest. */
const suspending = { ...moving, 'return-path': false } as const;

const capabilitiesOf = { move: moving, save: saving, suspend: suspending } as const;

/** Sets every capability that we use, whatever an earlier move or saved state left. */
export async function setMigration(
  qmp: Qmp,
  purpose: keyof typeof capabilitiesOf,
  limits: MigrationLimits,
  signal: AbortSignal,
): Promise<void> {
  const capabilities = Object.entries(capabilitiesOf[purpose]).map(([capability, state]) => ({
    capability,
    state,
  }));
  await qmp.execute('migrate-set-capabilities', { capabilities }, signal);
  await qmp.execute(
    'migrate-set-parameters',
    {
      'max-bandwidth': limits.maxBandwidthBytesPerS ?? 0,
      'avail-switchover-bandwidth': 0,
      ...unslowed,
      ...(limits.downtimeLimitMs === undefined ? {} : { 'downtime-limit': limits.downtimeLimitMs }),
    },
    signal,
  );
}

/** Before a move, or while it goes on. */
export async function steerMigration(qmp: Qmp, steering: Steering, signal: AbortSignal): Promise<void> {
  const { downtimeLimitMs, switchoverBytesPerS, throttlePercent } = steering;
  const parameters = {
    ...(downtimeLimitMs === undefined ? {} : { 'downtime-limit': downtimeLimitMs }),
    ...(switchoverBytesPerS === undefined ? {} : { 'avail-switchover-bandwidth': switchoverBytesPerS }),
    // From here on any pass that the guest adds to counts.
    ...(throttlePercent === undefined
      ? {}
      : { 'throttle-trigger-threshold': 10, ...throttling(throttlePercent) }),
  };
  if (Object.keys(parameters).length === 0) return;
  await qmp.execute('migrate-set-parameters', parameters, signal);
}

/** QEMU's address of a unix socket, as `migrate` and `migrate-incoming` take it. */
export function socketChannel(path: string): object {
  return channel({ transport: 'socket', type: 'unix', path });
}

export function fileChannel(path: string): object {
  return channel({ transport: 'file', filename: path, offset: 0 });
}

function channel(addr: object): object {
  return { channels: [{ 'channel-type': 'main', addr }] };
}
