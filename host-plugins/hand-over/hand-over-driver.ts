import { DockError } from '../../protocol/dock-error.ts';
import type { HandOverMessage } from '../../protocol/hand-over-messages.ts';
import { HandOverEvents } from './hand-over-events.ts';
import { JournalFile } from './journal/journal-file.ts';
import { step } from './machine.ts';
import type { HandOverPorts, JournalPort } from './ports.ts';
import { highestEpoch, type Position } from './position.ts';
import { recover } from './recover.ts';
import type { DiskEvidence, Effect, HandOverEvent, HandOverSettings, Input, State, Step } from './state.ts';

export type { HandOverPorts } from './ports.ts';

export interface HandOverDriverOptions {
  readonly workspace: string;
  readonly settings: HandOverSettings;
  readonly ports: HandOverPorts;
  /** Every event, in order. Must not throw. */
  readonly onEvent?: (event: HandOverEvent) => void;
  /** How often something unanswered is said again, ms. */
  readonly retryMs?: number;
}

/** What the daemon may say: not the messages, which `receive` takes, nor what only an effect can bring about. */
export type DriverInput = Exclude<
  Input,
  { in: 'message' | 'resume-failed' | 'disk-inspected' | 'journal-failed' }
>;

/**
 * Runs the hand-over of one workspace on one device (docs/hand-over.md): takes inputs one at a time, asks `step`,
 * executes the effects in their order.
 *
 * ```ts
 * await using handOver = await HandOverDriver.open({ workspace, settings: { self, home }, journalFile, ports });
 * await handOver.found(); // a new workspace; or else
 * await handOver.recover(); // once, before anything else: goes on, or rolls back
 *
 * // Source. Listen before the input, so that no event is missed.
 * const accepted = handOver.until((event) => event.kind === 'accepted' || event.kind === 'rejected', signal);
 * await handOver.input({ in: 'offer', peer });
 * await accepted; // QMP migrate … until pre-switchover
 * const ended = handOver.until((event) => event.kind === 'settled' || event.kind === 'withdrawn', signal);
 * await handOver.input({ in: 'vm-stopped' }); // begins vm.continueMigration; when completed: input vm-switched
 * await ended;
 *
 * // Target.
 * await handOver.input({ in: 'expect', peer }); // QEMU -S -incoming …, until it is paused with all state
 * await handOver.input({ in: 'vm-loaded' });
 * await handOver.until((event) => event.kind === 'running', signal);
 *
 * // Both.
 * connection.onMessage((message) => handOver.receive(deviceId, message));
 * connection.onOpen(() => handOver.input({ in: 'link-up', peer: deviceId }));
 * ```
 */
export class HandOverDriver implements AsyncDisposable {
  readonly #options: HandOverDriverOptions;
  readonly #journal: JournalPort & Partial<AsyncDisposable>;
  readonly #closing = new AbortController();
  readonly #events = new HandOverEvents();
  #state: State;
  #queue: Promise<void> = Promise.resolve();
  #recovered: boolean;
  /** Set where the journal cannot tell what it holds: nothing may be decided until it is opened anew. */
  #failure: DockError | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** The journal is the driver's from now on, and disposed with it. */
  constructor(journal: JournalPort & Partial<AsyncDisposable>, options: HandOverDriverOptions) {
    this.#journal = journal;
    this.#options = options;
    const { position } = journal;
    // Nothing is decided before `recover` has looked at QEMU, so `kept` is not asked for until then.
    this.#state = (position.at === 'released' ? { position, kept: false } : { position }) as State;
    this.#recovered = journal.isEmpty;
  }

  /** Opens the journal, or makes it; see `JournalFile.open` for what it throws. Decides nothing yet. */
  static async open(
    options: HandOverDriverOptions & { readonly journalFile: string },
  ): Promise<HandOverDriver> {
    return new HandOverDriver(await JournalFile.open(options.journalFile, { now: Date.now }), options);
  }

  get state(): State {
    return this.#state;
  }

  get highestEpoch(): number {
    return highestEpoch(this.#state.position);
  }

  /** Of the next offer that this device would make. */
  get nextEpoch(): number {
    return this.highestEpoch + 1;
  }

  /** The journal for people, oldest first, since it was compacted last. */
  async history(): Promise<string[]> {
    return this.#journal.entries.map(({ at, why }) => `${new Date(at).toISOString()} ${why}`);
  }

  /**
   * Goes on from the journal and the QEMU that is there, once, before any input. Throws `conflict` where the two
   * contradict each other; then the hand-over takes no inputs, and a person has to look.
   */
  async recover(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#recovered) return;
      try {
        const vm = await this.#options.ports.vm.observe(this.#closing.signal);
        const next = recover(this.#state.position, vm);
        this.#recovered = true;
        await this.#take(next);
      } catch (error) {
        this.#failure ??= DockError.from(error);
        throw error;
      }
    });
  }

  /** Makes this device the first owner, of epoch 1. Throws `conflict` when there was one already. */
  async found(): Promise<void> {
    await this.#inTurn(async () => {
      this.#requireRecovered();
      if (!this.#journal.isEmpty) {
        throw new DockError('conflict', `the workspace "${this.#options.workspace}" has an owner already`);
      }
      const position: Position = { at: 'owner', epoch: 1, offered: 1 };
      await this.#journal.append(position, 'founded as owner of epoch 1');
      this.#state = { position };
    });
  }

  /** What another device says; `from` is its proven identity. What is about another workspace is ignored. */
  async receive(from: string, message: HandOverMessage): Promise<void> {
    if (message.workspace === this.#options.workspace) await this.#handle({ in: 'message', from, message });
  }

  /**
   * Resolves when the input and all that follows from it at once is done; what it asks of others comes as events.
   * Throws what left the journal undetermined, and `cancelled` after disposal.
   */
  async input(input: DriverInput): Promise<void> {
    await this.#handle(input);
  }

  /** The first event from now on that is wanted. Rejects with the signal's reason, as a `DockError`. */
  until(wanted: (event: HandOverEvent) => boolean, signal: AbortSignal): Promise<HandOverEvent> {
    return this.#events.until(wanted, AbortSignal.any([signal, this.#closing.signal]));
  }

  /** Stops deciding. QEMU and the journal stay as they are; the next `recover` goes on from them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DockError('cancelled', 'wdockd is stopping'));
    clearTimeout(this.#retry);
    await this.#queue;
    await this.#journal[Symbol.asyncDispose]?.();
  }

  async #handle(input: Input): Promise<void> {
    await this.#inTurn(async () => {
      this.#requireRecovered();
      await this.#take(step(this.#state, input, this.#options.settings));
    });
  }

  #requireRecovered(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#recovered) throw new DockError('internal', 'the hand-over was not recovered yet');
  }

  /** One at a time, in the order of the calls. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(async () => {
      this.#closing.signal.throwIfAborted();
      try {
        await work();
      } finally {
        this.#scheduleRetry();
      }
    });
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  /** Executes a step, and then those that follow from the results of its effects. */
  async #take(first: Step): Promise<void> {
    const results: Input[] = [];
    for (let next: Step | undefined = first; next !== undefined; ) {
      const before = this.#state;
      this.#state = next.state;
      for (const effect of next.effects) {
        const result = await this.#execute(effect);
        if (result !== undefined) results.push(result);
        if (result?.in === 'journal-failed') {
          // The step has not happened, and what it would have done must not.
          this.#state = before;
          break;
        }
      }
      const result = results.shift();
      next = result === undefined ? undefined : step(this.#state, result, this.#options.settings);
    }
  }

  async #execute(effect: Effect): Promise<Input | undefined> {
    const { workspace, ports } = this.#options;
    const { peer, vm } = ports;
    const signal = this.#closing.signal;
    switch (effect.do) {
      case 'commit':
        return await this.#commit(effect.position, effect.why);
      case 'record':
        await this.#warnOnFailure(this.#journal.append(effect.position, effect.why));
        return undefined;
      case 'send':
        // Not awaited: the other device may be waiting for a turn of ours in the same way.
        peer.send(effect.to, { ...effect.message, workspace }).catch(() => undefined);
        return undefined;
      case 'continue-migration':
        vm.continueMigration(effect.epoch, signal).catch((error: unknown) => {
          const reason = DockError.from(error).message;
          this.input({ in: 'migration-failed', reason }).catch(() => undefined);
        });
        return undefined;
      case 'resume':
        return await this.#resume();
      case 'quit':
        await this.#persist('QEMU does not end', () => vm.quit(signal));
        return undefined;
      case 'power-cut':
        void this.#warnOnFailure(vm.powerCut(signal));
        return undefined;
      case 'inspect-disk': {
        const disk: DiskEvidence | undefined = await this.#warnOnFailure(
          vm.inspectDisk(effect.epoch, signal),
        );
        return { in: 'disk-inspected', disk: disk ?? 'unknown' };
      }
      case 'emit':
        this.#emit(effect.event);
        return undefined;
    }
  }

  async #commit(position: Position, why: string): Promise<Input | undefined> {
    try {
      await this.#journal.append(position, why);
      return undefined;
    } catch (error) {
      const failure = DockError.from(error, 'io');
      if (failure.detail?.['undetermined'] === true) {
        this.#failure = failure;
        this.#emit({ kind: 'warning', text: failure.message });
        throw failure;
      }
      return { in: 'journal-failed', position, reason: failure.message };
    }
  }

  /** `no` only on QEMU's own refusal. Where nobody can tell, QEMU is looked at, and asked again while it is there. */
  async #resume(): Promise<Input> {
    const { vm } = this.#options.ports;
    const signal = this.#closing.signal;
    return await this.#persist('QEMU does not say that the VM runs', async () => {
      try {
        await vm.resume(signal);
        return { in: 'resumed' };
      } catch (error) {
        const { kind, message: reason } = DockError.from(error);
        if (kind === 'qemu-refused') return { in: 'resume-failed', executed: 'no', reason };
        if (kind !== 'qemu-gone' && (await vm.observe(signal)) !== 'gone') throw error;
        await vm.quit(signal);
        return { in: 'resume-failed', executed: 'unknown', reason };
      }
    });
  }

  /** Tries until it works, or the driver is closed. */
  async #persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    const signal = this.#closing.signal;
    for (let warned = false; ; warned = true) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        const reason = DockError.from(error).message;
        if (!warned) this.#emit({ kind: 'warning', text: `${what}, trying again: ${reason}` });
        await pause(this.#retryMs, signal);
      }
    }
  }

  async #warnOnFailure<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#emit({ kind: 'warning', text: DockError.from(error).message });
      return undefined;
    }
  }

  #emit(event: HandOverEvent): void {
    this.#options.onEvent?.(event);
    this.#events.emit(event);
  }

  get #retryMs(): number {
    return this.#options.retryMs ?? 1_000;
  }

  #scheduleRetry(): void {
    clearTimeout(this.#retry);
    const { position } = this.#state;
    const rests =
      position.at === 'away' ||
      position.at === 'suspended' ||
      (position.at === 'owner' && !('halted' in this.#state));
    if (rests || !this.#recovered || this.#closing.signal.aborted || this.#failure !== undefined) return;
    this.#retry = setTimeout(() => {
      this.input({ in: 'retry' }).catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#emit({ kind: 'warning', text: DockError.from(error).message });
      });
    }, this.#retryMs);
    this.#retry.unref();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop, { once: true });
  await promise;
  signal.removeEventListener('abort', stop);
  clearTimeout(timer);
  signal.throwIfAborted();
}
