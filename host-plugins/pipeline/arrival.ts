import type { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { peerMethods } from '../../protocol/peer-methods.ts';
import { ArrivingPages } from '../pages/arriving-pages.ts';
import { listOfTable } from '../pages/kept/list-of-table.ts';
import type { OfferedPages } from '../pages/known-pages.ts';
import type { ReceivingSource } from '../pages/page-source.ts';
import { serveChannelToUnixSocket } from '../tunnel/forward-unix-listener.ts';
import { channelNames } from '../workspace/paths.ts';
import type { HostReadiness, Workspace } from '../workspace/workspace.ts';

type Receive = z.output<(typeof peerMethods)['receive']['params']>;

/** Brings the state to this socket, of a QEMU that waits there; disposed when it is whole, lost, or not wanted. */
export type BringState = (socket: string) => Disposable;

/** Lays this host's ways for the workspace in an epoch (adapt-workspace.ts, prepareToRun). */
export type PrepareHere = (epoch: number, signal: AbortSignal) => Promise<HostReadiness>;

/** A reservation without an offer is dropped after this long, ms: the source has died, or forgot to say so. */
const reservationLimitMs = 180_000;
/** No state is a day on its way; the source's own limit is shorter, ms. */
const arrivalLimitMs = 24 * 60 * 60_000;

/**
 * The target's side of one hand-over: reserved for a source, then a paused QEMU that its state comes to. Everything
 * it starts ends with `drop`, unless the hand-over makes this device the owner.
 */
export class Arrival {
  readonly epoch: number;
  readonly source: string;
  /** The guest as the source read it last. */
  guest: GuestState | undefined;
  readonly #workspace: Workspace;
  readonly #prepare: PrepareHere;
  readonly #offered: OfferedPages;
  readonly #waiting = new AbortController();
  /** Ends what is laid for the VM here, when it does not come. */
  readonly #laying = new AbortController();
  readonly #lost = Promise.withResolvers<DockError>();
  #memory: Disposable | undefined;
  #pages: ArrivingPages | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param offered what of its memory need not come; closed with the arrival */
  constructor(
    workspace: Workspace,
    from: { readonly source: string; readonly epoch: number; readonly offered: OfferedPages },
    prepare: PrepareHere,
  ) {
    this.#workspace = workspace;
    this.#prepare = prepare;
    this.source = from.source;
    this.epoch = from.epoch;
    this.#offered = from.offered;
    this.#timer = setTimeout(() => void this.#expire(), reservationLimitMs);
    this.#timer.unref();
  }

  /** Why the state did not arrive, when the hand-over has been told. */
  get lost(): Promise<DockError> {
    return this.#lost.promise;
  }

  get over(): AbortSignal {
    return this.#waiting.signal;
  }

  /**
   * Starts QEMU for exactly this filling, and opens the way for its state: the memory's channel, or `bring`. When it throws,
   * nothing runs.
   */
  async receive(params: Receive, signal: AbortSignal, bring?: BringState): Promise<void> {
    const { keeper, paths, surroundings, name } = this.#workspace;
    const sources = await this.#offered.take(params.pages);
    this.guest = params.guest;
    await this.#workspace.save({ guestAddresses: params.guestAddresses });
    await this.#workspace.openDisk(signal);
    await keeper.start(params.filling, { incoming: true }, signal);
    // Beside the transfer; who needs it waits for it, and hears what went wrong.
    const readiness = this.#prepare(this.epoch, this.#laying.signal);
    readiness.catch((error: unknown) => {
      if (!this.#laying.signal.aborted)
        surroundings.log.warn({ workspace: name, err: error }, 'the way for it could not be laid early');
    });
    this.#workspace.readiness = readiness;
    this.#memory = bring?.(paths.run.incomingSocket) ?? this.#serveChannel(sources);
    this.#awaitState().catch((error: unknown) => {
      surroundings.log.error({ workspace: name, err: error }, 'the hand-over could not be told of the state');
    });
  }

  #serveChannel(sources: readonly ReceivingSource[]): Disposable {
    const { paths, surroundings, name } = this.#workspace;
    let taken = false;
    const pages = new ArrivingPages(sources);
    this.#pages = pages;
    return serveChannelToUnixSocket(
      surroundings.channels,
      channelNames.memory(name, this.epoch),
      ({ deviceId, deviceName }) => {
        if (deviceId !== this.source || taken) {
          throw new DockError('conflict', `the memory of "${name}" is not expected from "${deviceName}"`);
        }
        taken = true;
        return paths.run.incomingSocket;
      },
      (qemu) => pages.join(qemu, (error) => this.#onBrokenPages(error), this.#waiting.signal),
    );
  }

  /** QEMU sees its connection end, and with it the state is lost. */
  #onBrokenPages(error: unknown): void {
    if (this.#waiting.signal.aborted) return;
    const { surroundings, name } = this.#workspace;
    surroundings.log.warn({ workspace: name, err: error }, 'the memory channel broke');
  }

  /** The state that was on its way is whole, or lost. */
  async #awaitState(): Promise<void> {
    const { keeper, handOver, surroundings, name } = this.#workspace;
    const signal = AbortSignal.any([this.#waiting.signal, AbortSignal.timeout(arrivalLimitMs)]);
    try {
      await keeper.untilArrived(signal);
      clearTimeout(this.#timer);
      // Beside what the source has to write down before it lets go.
      void this.#workspace.readiness?.then((readiness) => readiness.show()).catch(() => undefined);
      await this.#workspace.markDisk(this.epoch);
      const told = this.#untilTold();
      await handOver.input({ in: 'vm-loaded' });
      // What is cleared away and written down from here on would be time in which the VM stands still.
      if (await told) void this.#noteWhatStaysThere();
    } catch (error) {
      if (this.#waiting.signal.aborted) return;
      surroundings.log.warn({ workspace: name, err: error }, 'the state did not arrive');
      await keeper.end({ neverRan: true });
      await handOver.input({ in: 'vm-gone' });
      this.#lost.resolve(DockError.from(error));
    } finally {
      this.#memory?.[Symbol.dispose]();
      await this.#pages?.[Symbol.asyncDispose]();
      await this.#offered[Symbol.asyncDispose]();
    }
  }

  /** Resolves when the VM runs here and the LAN has been told; with false when it does not come, or not for minutes. */
  async #untilTold(): Promise<boolean> {
    const { handOver, readiness } = this.#workspace;
    // One whose QEMU dies before it ran comes back in another way, and what it came with must not lie about for ever.
    const signal = AbortSignal.any([this.#laying.signal, AbortSignal.timeout(reservationLimitMs)]);
    try {
      await handOver.until(({ kind }) => kind === 'running', signal);
    } catch {
      return false;
    }
    await readiness?.then((ways) => ways.shortfalls()).catch(() => undefined);
    return true;
  }

  /** The source keeps the memory of the VM that left it; who knows what was in it need not send that back. */
  async #noteWhatStaysThere(): Promise<void> {
    const table = this.#pages?.table;
    const workspace = this.#workspace;
    if (table === undefined || !workspace.mayKeepMemory(this.source)) return;
    const { kept, warm } = workspace.surroundings.pages;
    await warm.drop(this.source, workspace.keptMemory.uuid);
    const seal = { kind: 'kept', epoch: this.epoch, peer: this.source } as const;
    const after = workspace.adaptation?.ended;
    await kept.noteThere(workspace.keptMemory, {
      seal,
      list: () => listOfTable(table),
      ...(after === undefined ? {} : { after }),
    });
  }

  /** Ends what was started for it; for a hand-over that did not happen. */
  async drop(signal: AbortSignal): Promise<void> {
    this.close();
    await this.#offered[Symbol.asyncDispose]();
    if (this.#workspace.isOwner) return;
    this.#laying.abort(new DockError('cancelled', 'the VM does not come'));
    this.#workspace.readiness = undefined;
    await this.#workspace.keeper.end({ neverRan: true });
    if (!this.#workspace.isHome) await this.#workspace.closeDisk(signal);
  }

  /** Stops waiting; what has arrived stays. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.abort();
    this.#memory?.[Symbol.dispose]();
  }

  async #expire(): Promise<void> {
    const { handOver, surroundings, name } = this.#workspace;
    if (handOver.state.position.at !== 'away') return;
    surroundings.log.warn({ workspace: name }, 'the announced move did not come; the reservation is dropped');
    await handOver.input({ in: 'expect', peer: undefined });
    await this.drop(AbortSignal.timeout(reservationLimitMs));
  }
}
