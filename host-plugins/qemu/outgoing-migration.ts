import { DockError } from '../../protocol/dock-error.ts';
import { Convergence, type Look } from './convergence.ts';
import { type MigrationLimits, setMigration, socketChannel, steerMigration } from './migration-settings.ts';
import { migrationFailure, untilMigration, untilSettled } from './migration-wait.ts';
import type { QmpClient } from './qmp-client.ts';
import { type MigrationInfo, queryMigration } from './qmp-schema.ts';
import { StallWatch } from './stall-watch.ts';

interface MigrationProgress {
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  readonly totalBytes: number;
  /** Memory that the guest writes, bytes a second; 0 in the first pass. */
  readonly dirtyBytesPerS: number;
  /** How many passes over the memory have begun. */
  readonly pass: number;
}

export interface MigrationStatistics {
  readonly totalMs: number;
  /** QEMU's own: from the stop of the source until its state is sent. */
  readonly downtimeMs: number;
  readonly setupMs: number;
  readonly transferredBytes: number;
  readonly passes: number;
  /** The most that the guest's processors were denied so that the move came to an end, per cent. */
  readonly throttlePercent: number;
  /** What the link sustained; undefined where it was over too soon to tell. */
  readonly linkBytesPerS: number | undefined;
}

/** What has gone over the link, where that is not what QEMU writes. */
export type ReadWire = () => Look['wire'];

export type MigrationEvent =
  | { readonly kind: 'started' }
  | { readonly kind: 'progress'; readonly progress: MigrationProgress }
  /** It does not come to an end otherwise: the guest may stand still for so long at the switch-over. */
  | { readonly kind: 'downtime-raised'; readonly limitMs: number; readonly dirtyBytesPerS: number }
  /** The guest writes about as fast as the link carries: its processors get less time. */
  | { readonly kind: 'slowed'; readonly percent: number; readonly dirtyBytesPerS: number }
  /** Nothing goes through: a dip of the link, or its end. */
  | { readonly kind: 'stalled'; readonly forMs: number }
  /** The source has stopped; all but the last state is there. Nothing is given up yet. */
  | { readonly kind: 'pre-switchover'; readonly progress: MigrationProgress | undefined }
  | { readonly kind: 'completed'; readonly statistics: MigrationStatistics }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: DockError };

/** A stall that is worth a word to whoever watches, ms. */
const stallToldMs = 3_000;
/** A cut of half a minute has to be survived, with the time to find each other again; longer ones are given up, ms. */
const defaultStallLimitMs = 90_000;
/** Cancelling is local work; only a wedged QEMU takes longer, ms. */
const cancelMs = 15_000;
/** A cancel that has not ended after this long is taken to wait for a hung link, ms. */
const yankAfterMs = 3_000;

/**
 * The sending half of a move. Until `finish` is called nothing is given up: a failure, a cut or `cancel`
 * leaves the VM running (or paused, if it was) on this host. Can be adopted in any state by a restarted
 * daemon.
 */
export class OutgoingMigration {
  readonly #qmp: QmpClient;
  readonly #emit: (event: MigrationEvent) => void;
  readonly #convergence: Convergence | undefined;
  readonly #readWire: ReadWire;
  readonly #stall = new StallWatch();
  /** After which a stall is a reason to give up, ms. */
  #stallLimitMs = defaultStallLimitMs;

  private constructor(
    qmp: QmpClient,
    emit: (event: MigrationEvent) => void,
    convergence?: Convergence,
    readWire: ReadWire = () => undefined,
  ) {
    this.#qmp = qmp;
    this.#emit = emit;
    this.#convergence = convergence;
    this.#readWire = readWire;
  }

  /**
   * Starts sending to the unix socket, which somebody listens on. `qemu-refused` when something blocks the
   * move.
   */
  static async start(
    qmp: QmpClient,
    options: {
      readonly socket: string;
      readonly limits?: MigrationLimits;
      readonly readWire?: ReadWire;
      /** `suspend`: whoever listens only reads, and may take its time; default: `move`. */
      readonly purpose?: 'move' | 'suspend';
      readonly onEvent?: (event: MigrationEvent) => void;
    },
    signal: AbortSignal,
  ): Promise<OutgoingMigration> {
    const { downtimeLimitMs = 300, maxDowntimeMs = downtimeLimitMs, linkBytesPerS } = options.limits ?? {};
    const { onEvent = () => {}, readWire, purpose = 'move' } = options;
    const convergence = new Convergence({ downtimeLimitMs, maxDowntimeMs }, linkBytesPerS);
    await setMigration(qmp, purpose, options.limits ?? {}, signal);
    await steerMigration(qmp, convergence.first, signal);
    await qmp.execute('migrate', socketChannel(options.socket), signal);
    const migration = new OutgoingMigration(qmp, onEvent, convergence, readWire);
    migration.#stallLimitMs =
      purpose === 'suspend'
        ? Number.POSITIVE_INFINITY
        : (options.limits?.stallLimitMs ?? defaultStallLimitMs);
    migration.#emit({ kind: 'started' });
    return migration;
  }

  /** Takes a migration over that an earlier life of the daemon started; undefined when there was none. */
  static async adopt(
    qmp: QmpClient,
    onEvent: (event: MigrationEvent) => void,
    signal: AbortSignal,
  ): Promise<OutgoingMigration | undefined> {
    const { status } = await queryMigration(qmp, signal);
    return status === 'none' ? undefined : new OutgoingMigration(qmp, onEvent);
  }

  /**
   * Resolves when the memory is there, and the source stopped. When it fails the VM runs here as before, and
   * this rejects with the reason; on abort the migration is cancelled, and this rejects when the VM runs here
   * as before. Rejects with `peer-gone` when nothing goes through any more; then it has yet to be cancelled.
   */
  async untilPreSwitchover(signal: AbortSignal): Promise<void> {
    let info: MigrationInfo;
    const look = (now: MigrationInfo): void => {
      this.#progress(now);
      this.#checkStall(now);
      this.#converge(now, signal);
    };
    try {
      info = await untilMigration(this.#qmp, ['pre-switchover', 'device', 'completed'], look, signal);
    } catch (error) {
      if (signal.aborted) await this.cancel(AbortSignal.timeout(cancelMs));
      throw error;
    }
    await this.#failUnless(info, ['pre-switchover', 'device', 'completed'], signal);
    this.#emit({ kind: 'pre-switchover', progress: progressOf(info) });
  }

  /**
   * Sends the last state; while it waits for a hung link, QEMU answers only out-of-band commands. When it
   * resolves the source is stopped (`postmigrate`), and the target has loaded all, paused: only the hand-over
   * may now run either. When it rejects with `qemu-refused` the VM runs here again; an abort stops only the
   * waiting.
   */
  async finish(signal: AbortSignal): Promise<MigrationStatistics> {
    const { status } = await queryMigration(this.#qmp, signal);
    if (status === 'pre-switchover') {
      await this.#qmp.execute('migrate-continue', { state: 'pre-switchover' }, signal);
    }
    const info = await untilMigration(this.#qmp, ['completed'], this.#progress, signal);
    await this.#failUnless(info, ['completed'], signal);
    await untilSettled(this.#qmp, signal);
    const statistics = statisticsOf(info, this.#convergence);
    this.#emit({ kind: 'completed', statistics });
    return statistics;
  }

  /**
   * Cancels; resolves when it has ended and the VM is as it was before. `completed` when it was too late: the
   * target has everything, and the hand-over has to decide. A hung link is cut: while the last state waits
   * for it, QEMU answers nothing but out-of-band commands.
   */
  async cancel(signal: AbortSignal): Promise<'cancelled' | 'failed' | 'completed'> {
    const hung = setTimeout(() => {
      // Refused where the migration has ended meanwhile: then nothing hangs.
      cutMigration(this.#qmp, signal).catch(() => {});
    }, yankAfterMs);
    try {
      const { status } = await queryMigration(this.#qmp, signal);
      if (status === 'none') return 'cancelled';
      if (status !== 'completed') await this.#qmp.execute('migrate_cancel', {}, signal);
      const info = await untilMigration(this.#qmp, ['completed'], () => {}, signal);
      await untilSettled(this.#qmp, signal);
      if (info.status === 'completed') return 'completed';
      if (info.status === 'cancelled') this.#emit({ kind: 'cancelled' });
      return info.status === 'failed' ? 'failed' : 'cancelled';
    } finally {
      clearTimeout(hung);
    }
  }

  async #failUnless(
    info: MigrationInfo,
    wanted: readonly MigrationInfo['status'][],
    signal: AbortSignal,
  ): Promise<void> {
    if (wanted.includes(info.status)) return;
    await untilSettled(this.#qmp, signal);
    const error = migrationFailure('the move', info);
    this.#emit(info.status === 'cancelled' ? { kind: 'cancelled' } : { kind: 'failed', error });
    throw error;
  }

  #checkStall(info: MigrationInfo): void {
    const progress = progressOf(info);
    if (progress === undefined) return;
    const forMs = this.#stall.observe(progress, performance.now());
    if (forMs >= this.#stallLimitMs) {
      throw new DockError(
        'peer-gone',
        `nothing of the VM has gone through for ${Math.round(forMs / 1000)} s, so its move was given up; is the other device on, and in reach?`,
      );
    }
    if (forMs >= stallToldMs) this.#emit({ kind: 'stalled', forMs });
  }

  #converge(info: MigrationInfo, signal: AbortSignal): void {
    const progress = progressOf(info);
    if (progress === undefined || this.#convergence === undefined) return;
    const { dirtyBytesPerS } = progress;
    const wire = this.#readWire();
    const look = { ...progress, atMs: performance.now(), ...(wire === undefined ? {} : { wire }) };
    const steering = this.#convergence.observe(look);
    const { downtimeLimitMs: limitMs, throttlePercent: percent } = steering;
    if (limitMs !== undefined) this.#emit({ kind: 'downtime-raised', limitMs, dirtyBytesPerS });
    if (percent !== undefined) this.#emit({ kind: 'slowed', percent, dirtyBytesPerS });
    // Refused where the migration has ended meanwhile, which whoever waits for it sees.
    steerMigration(this.#qmp, steering, signal).catch(() => {});
  }

  readonly #progress = (info: MigrationInfo): void => {
    const progress = progressOf(info);
    if (progress !== undefined) this.#emit({ kind: 'progress', progress });
  };
}

/**
 * Shuts the socket of a migration, at whichever end: one that hangs because the link is gone then fails at
 * once. Works also while QEMU's main loop is blocked.
 */
async function cutMigration(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  await qmp.executeOutOfBand('yank', { instances: [{ type: 'migration' }] }, signal);
}

function progressOf({ ram }: MigrationInfo): MigrationProgress | undefined {
  if (ram === undefined) return undefined;
  return {
    transferredBytes: ram.transferred,
    remainingBytes: ram.remaining,
    totalBytes: ram.total,
    dirtyBytesPerS: ram['dirty-pages-rate'] * ram['page-size'],
    pass: ram['dirty-sync-count'],
  };
}

function statisticsOf(info: MigrationInfo, convergence: Convergence | undefined): MigrationStatistics {
  return {
    totalMs: info['total-time'] ?? 0,
    downtimeMs: info.downtime ?? 0,
    setupMs: info['setup-time'] ?? 0,
    transferredBytes: info.ram?.transferred ?? 0,
    passes: info.ram?.['dirty-sync-count'] ?? 0,
    throttlePercent: convergence?.throttlePercent ?? 0,
    linkBytesPerS: convergence?.linkBytesPerS,
  };
}
