import { DockError } from '../../protocol/dock-error.ts';
import type { Position } from '../hand-over/position.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { type Departed, DepartingPages } from '../pages/departing-pages.ts';
import { GuestMemory } from '../pages/kept/guest-memory.ts';
import { listOfTable } from '../pages/kept/list-of-table.ts';
import type { SendingSource } from '../pages/page-source.ts';
import type { MigrationLimits } from '../qemu/migration-settings.ts';
import { type MigrationStatistics, OutgoingMigration } from '../qemu/outgoing-migration.ts';
import { type ForwardedListener, forwardUnixListener } from '../tunnel/forward-unix-listener.ts';
import { channelNames } from '../workspace/paths.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { Say } from './stage-clock.ts';
import { TransferProgress } from './transfer-progress.ts';

/** Answering an offer takes a journal entry over there, ms. */
const acceptLimitMs = 15_000;
/** From pre-switchover to the target's word that it runs, ms; a link that is down longer leaves it to the retries. */
const handOverLimitMs = 120_000;
/**
 * The last state of a stopped VM at most, ms. A cut of half a minute is survived, with the time to find each other again; what
 * is longer on its way than this hangs, and the VM must not stand still.
 */
const longestLastStateMs = 60_000;
/** Beyond the longest downtime that the settings allow: until then the network takes the VM for one that stands still, ms. */
const standstillMarginMs = 5_000;

/**
 * The source's side of one hand-over: the memory on its way, and the word of both devices. Whatever fails here goes
 * to the hand-over, which alone decides whether the VM runs on; `leave` reports where it ended up.
 */
export class Departure implements AsyncDisposable {
  readonly #workspace: Workspace;
  readonly #target: { readonly id: string; readonly name: string };
  readonly #pages: DepartingPages;
  readonly #over = new AbortController();
  readonly #resentBefore: number;
  #memory: GuestMemory | undefined;
  #listener: ForwardedListener | undefined;
  #outgoing: OutgoingMigration | undefined;
  #statistics: MigrationStatistics | undefined;
  /** For the last state, ms: no longer than anything else may hang. */
  #lastStateLimitMs = longestLastStateMs;

  /** @param sources pages that the target has, and that are known here */
  constructor(
    workspace: Workspace,
    target: { readonly id: string; readonly name: string },
    sources: readonly SendingSource[],
  ) {
    this.#workspace = workspace;
    this.#target = target;
    this.#pages = new DepartingPages(sources);
    this.#resentBefore = workspace.surroundings.channels.resentBytes(target.id);
    workspace.departure = this;
  }

  /** Offers the VM and sends its memory while it runs. On return it is stopped, all but the last state sent. */
  async transfer(
    epoch: number,
    { limits, staysOnLan }: { readonly limits: MigrationLimits; readonly staysOnLan: boolean },
    say: Say,
    signal: AbortSignal,
  ): Promise<void> {
    const { handOver, paths, surroundings, name, keeper } = this.#workspace;
    const { qemu, seen } = keeper.require();
    this.#lastStateLimitMs = Math.min(longestLastStateMs, limits.stallLimitMs ?? longestLastStateMs);
    try {
      this.#listener = await forwardUnixListener(
        surroundings.channels,
        paths.run.outgoingSocket,
        this.#target.id,
        channelNames.memory(name, epoch),
        {
          mode: 0o666, // QEMU has a user of its own; the folder decides who reaches it (machine-folder.ts)
          priority: 'bulk',
          join: this.#pages.join,
          onError: (error) =>
            surroundings.log.warn({ workspace: name, err: error }, 'the memory channel broke'),
        },
      );
      const accepted = this.#until(
        (event) => event.kind === 'accepted' || isEnd(event) || event.kind === 'rejected',
        AbortSignal.any([signal, AbortSignal.timeout(acceptLimitMs)]),
      );
      await handOver.input({ in: 'offer', peer: this.#target.id });
      const answer = await accepted.catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new DockError(
          'timeout',
          `"${this.#target.name}" prepared for the VM and then did not answer its offer within ${acceptLimitMs / 1000} s; ` +
            'it runs on here. Look at the log of wdockd there (wdock logs)',
          { cause },
        );
      });
      if (answer.kind !== 'accepted') throw refused(this.#target.name, answer);
      await this.#holdMemory(qemu.pid);
      const progress = new TransferProgress(say, () => this.departed.wireBytes);
      this.#outgoing = await OutgoingMigration.start(
        qemu.qmp,
        {
          socket: seen.outgoingSocket,
          limits,
          readWire: () => this.#pages.link,
          onEvent: (event) => progress.take(event),
        },
        signal,
      );
      surroundings.network.readyStandstill(this.#workspace.tap, this.#over.signal);
      await this.#outgoing.untilPreSwitchover(signal);
      this.#listener.raise(); // the VM stands still until the rest is there
      this.#sayItStandsStill(limits, staysOnLan);
    } catch (error) {
      await this.#stay(error, signal);
      throw error;
    }
  }

  /**
   * Sends the last state, and gives the VM away. Returns when it runs over there; throws when it runs here again, or
   * when nobody knows yet (`peer-gone`): then both devices go on asking each other.
   */
  async leave(signal: AbortSignal): Promise<MigrationStatistics> {
    const { handOver, name } = this.#workspace;
    const ended = this.#until(isEnd, AbortSignal.timeout(handOverLimitMs));
    ended.catch(() => undefined); // waited for below, when the last state is there
    const given = this.#until(
      (event) => event.kind === 'released' || isEnd(event),
      AbortSignal.timeout(this.#lastStateLimitMs),
    );
    // An abort from here on is a wish: the hand-over takes it as long as it can.
    const cancel = (reason: string): void => {
      handOver.input({ in: 'cancel', reason }).catch(() => undefined); // then `ended` throws
    };
    const onAbort = () => cancel(reasonOf(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await handOver.input({ in: 'vm-stopped' });
      if (signal.aborted) onAbort();
      // QEMU may well be done: what it wrote lies in the buffers of a link that is gone, and no word comes back.
      await given.catch(() => {
        cancel(
          `it did not say within ${this.#lastStateLimitMs / 1000} s that it has all of it; is it on, and in reach?`,
        );
      });
      const end = await ended;
      if (end.kind !== 'settled') throw refused(this.#target.name, end);
    } catch (error) {
      const { at } = handOver.state.position;
      if (DockError.from(error).kind === 'timeout') throw unfinished(this.#target.name, name, at, error);
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return this.#statistics ?? noStatistics;
  }

  /** The hand-over's order to send the last state; its result goes back to the hand-over. */
  async finish(): Promise<void> {
    const { handOver, keeper } = this.#workspace;
    try {
      if (this.#outgoing === undefined) throw new DockError('conflict', 'no migration is under way');
      this.#statistics = await this.#outgoing.finish(AbortSignal.timeout(this.#lastStateLimitMs));
      await this.#workspace.markDisk(handOver.highestEpoch);
      await handOver.input({ in: 'vm-switched' });
    } catch (error) {
      const gone = (await keeper.state()) === 'gone';
      await handOver.input(
        gone ? { in: 'vm-gone' } : { in: 'migration-failed', reason: DockError.from(error).message },
      );
    }
  }

  /** For its way back: keeps the memory of the VM that is the target's now, beside everything else, once it is adapted. */
  keepMemory(epoch: number, adapted: Promise<unknown>): void {
    const workspace = this.#workspace;
    const { surroundings, name } = workspace;
    const { table } = this.#pages;
    const memory = this.#memory;
    this.#memory = undefined;
    if (memory === undefined || table === undefined) return;
    const seal = { kind: 'kept', epoch, peer: this.#target.id } as const;
    const { kept } = surroundings.pages;
    const toKeep = { seal, list: () => listOfTable(table), after: adapted };
    kept.keep(workspace.keptMemory, toKeep, memory).catch((error: unknown) => {
      surroundings.log.warn({ workspace: name, err: error }, 'its memory is not kept');
    });
  }

  /** While QEMU is there: it ends with the hand-over. */
  async #holdMemory(pid: number): Promise<void> {
    const { surroundings, name } = this.#workspace;
    if (!this.#workspace.mayKeepMemory(this.#target.id) || !surroundings.pages.kept.isWanted) return;
    this.#memory = await GuestMemory.open(pid).catch((error: unknown) => {
      surroundings.log.warn({ workspace: name, err: error }, 'its memory will not be kept');
      return undefined;
    });
  }

  /** Ends the migration if one is under way; QEMU then runs the VM by itself, or it completed already. */
  async cancelMigration(signal: AbortSignal): Promise<void> {
    await this.#outgoing?.cancel(signal);
    this.#outgoing = undefined;
  }

  /** What has gone over the memory channel so far. */
  get departed(): Departed {
    return this.#pages.departed;
  }

  /** What had to go twice since it began, because links were lost. */
  get resentBytes(): number {
    const { channels } = this.#workspace.surroundings;
    // A session that was lost took its own count along.
    return Math.max(0, channels.resentBytes(this.#target.id) - this.#resentBefore);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new DockError('cancelled', 'the move is over'));
    await this.#listener?.[Symbol.asyncDispose]();
    await this.#pages[Symbol.asyncDispose]();
    await this.#memory?.[Symbol.asyncDispose]();
    if (this.#workspace.departure === this) this.#workspace.departure = undefined;
  }

  /** Does not wait: the VM stands still for it all. It ends with the way to the VM, or before it runs on here. */
  #sayItStandsStill(
    { downtimeLimitMs = 0, maxDowntimeMs = downtimeLimitMs }: MigrationLimits,
    staysOnLan: boolean,
  ): void {
    const { tap, name, surroundings } = this.#workspace;
    const forMs = maxDowntimeMs + standstillMarginMs;
    const signal = AbortSignal.timeout(forMs);
    surroundings.network.standStill(tap, { forMs, staysOnLan }, signal).catch((error: unknown) => {
      surroundings.log.info(
        { workspace: name, err: error },
        'what is sent to it while it stands still is lost',
      );
    });
  }

  /** Takes the offer back, if one was made, and waits until the VM is this device's again. */
  async #stay(error: unknown, signal: AbortSignal): Promise<void> {
    const { handOver } = this.#workspace;
    if (handOver.state.position.at !== 'offering') return;
    const back = this.#until(isEnd, AbortSignal.timeout(handOverLimitMs));
    const reason = signal.aborted ? reasonOf(signal) : DockError.from(error).message;
    await handOver.input({ in: 'cancel', reason });
    await back;
  }

  #until(wanted: (event: HandOverEvent) => boolean, signal: AbortSignal): Promise<HandOverEvent> {
    return this.#workspace.handOver.until(wanted, signal);
  }
}

/** Of a move that an earlier life of wdockd has begun. */
const noStatistics: MigrationStatistics = {
  totalMs: 0,
  downtimeMs: 0,
  setupMs: 0,
  transferredBytes: 0,
  passes: 0,
  throttlePercent: 0,
  linkBytesPerS: undefined,
};

function isEnd(event: HandOverEvent): boolean {
  return event.kind === 'settled' || event.kind === 'withdrawn' || event.kind === 'taken-back';
}

function refused(target: string, event: HandOverEvent): DockError {
  const reason = 'reason' in event ? event.reason : event.kind;
  return new DockError('peer-refused', `the VM was not handed to "${target}" and runs on here: ${reason}`);
}

/** The hand-over has not come to its end in time; the two devices go on with it by themselves. */
function unfinished(target: string, workspace: string, at: Position['at'], cause: unknown): DockError {
  return at === 'released'
    ? new DockError(
        'peer-gone',
        `"${target}" has everything of "${workspace}" and has not said yet that it runs there; it is asked ` +
          'again until it answers (wdock status)',
        { cause },
      )
    : new DockError(
        'timeout',
        `the hand-over of "${workspace}" to "${target}" has not ended within ${handOverLimitMs / 1000} s; it goes on ` +
          '(wdock status, wdock logs)',
        { cause },
      );
}

function reasonOf(signal: AbortSignal): string {
  return DockError.from(signal.reason, 'cancelled').message;
}
