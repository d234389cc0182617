import type { Qmp } from '../contract/virtual-machine.ts';

/** Limits of one move. Undefined: as QEMU has it. */
export interface MigrationLimits {
  /** Bytes a second; 0 for none. QEMU's own default is 128 MiB/s, which slows a fast link. */
  readonly maxBandwidthBytesPerS?: number;
  /** The guest may stand still this long at the switch-over, ms; QEMU 10: 300. */
  readonly downtimeLimitMs?: number;
  /** … and this long where it writes about as fast as the link carries (convergence.ts), ms; not longer by default. */
  readonly maxDowntimeMs?: number;
}

/**
 * What both ends of a move have set, always: `return-path`, because without it the source says `completed`
 * even when the target refused the stream; `pause-before-switchover`, because the hand-over
 * decides when the source gives up; `late-block-activate`, so that the target leaves the disk alone until it
 * runs; `events`, for progress.
 */
const moving = {
  'return-path': true,
  'pause-before-switchover': true,
  'late-block-activate': true,
  events: true,
} as const;

/**
 * A file answers nothing and hands over to nobody. `late-block-activate` only matters to the receiving side.
 */
const saving = { ...moving, 'return-path': false, 'pause-before-switchover': false } as const;

/** Sets every capability that we use, whatever an earlier move or saved state left. */
export async function setMigration(
  qmp: Qmp,
  purpose: 'move' | 'save',
  limits: MigrationLimits,
  signal: AbortSignal,
): Promise<void> {
  const capabilities = Object.entries(purpose === 'move' ? moving : saving).map(([capability, state]) => ({
    capability,
    state,
  }));
  await qmp.execute('migrate-set-capabilities', { capabilities }, signal);
  await qmp.execute(
    'migrate-set-parameters',
    {
      'max-bandwidth': limits.maxBandwidthBytesPerS ?? 0,
      ...(limits.downtimeLimitMs === undefined ? {} : { 'downtime-limit': limits.downtimeLimitMs }),
    },
    signal,
  );
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
