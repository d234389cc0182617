import { DockError } from '../../protocol/dock-error.ts';
import type { HandOverMessage } from '../../protocol/hand-over-messages.ts';
import { HandOverJournal } from './journal/hand-over-journal.ts';
import { step } from './machine.ts';
import { highestEpoch } from './position.ts';
import { recover } from './recover.ts';
import type {
  DiskEvidence,
  Effect,
  HandOverEvent,
  HandOverSettings,
  Input,
  State,
  Step,
  VmState,
} from './state.ts';

/** What the hand-over does on this device and to the other one. Each bounds its own time. */
export interface HandOverPorts {
  readonly peer: {
    /** Loss is an ordinary thing: what it throws is forgotten, and the message said again later. */
    send(to: string, message: HandOverMessage): Promise<void>;
  };
  readonly vm: {
    observe(): Promise<VmState>;
    /** Begins; the result comes as `vm-switched`, `migration-failed` or `vm-gone`. */
    continueMigration(epoch: number): Promise<void>;
    /** Cancels what migration there is and makes the VM run. Throws `qemu-refused` only when it provably did not. */
    resume(): Promise<void>;
    /** Ends QEMU; good when there is none. */
    quit(): Promise<void>;
    /** The memory is lost: this device owns the VM and does not run it. */
    powerCut(): Promise<void>;
  };
  readonly disk: { inspect(epoch: number): Promise<DiskEvidence> };
}

export interface HandOverDriverOptions {
  readonly workspace: string;
  readonly settings: HandOverSettings;
  readonly journalFile: string;
  readonly ports: HandOverPorts;
  readonly onEvent: (event: HandOverEvent) => void;
}

/** How often a device that waits for the other's word asks again, ms. */
const retryEveryMs = 1_000;

/**
 * Carries out the hand-over's decisions (machine.ts): one input at a time, its effects in their order, the journal
 * before everything that it backs. Inputs that come meanwhile wait.
 */
export class HandOverDriver implements AsyncDisposable {
  readonly #options: HandOverDriverOptions;
  readonly #journal: HandOverJournal;
  #state: State;
  #queue: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #listeners = new Set<(event: HandOverEvent) => void>();

  private constructor(options: HandOverDriverOptions, journal: HandOverJournal) {
    this.#options = options;
    this.#journal = journal;
    this.#state = { position: journal.position } as State;
  }

  /** Reads the journal. Nothing is done before `recover` or the first input. */
  static async open(options: HandOverDriverOptions): Promise<HandOverDriver> {
    return new HandOverDriver(options, await HandOverJournal.open(options.journalFile));
  }

  get state(): State {
    return this.#state;
  }

  get highestEpoch(): number {
    return highestEpoch(this.#state.position);
  }

  /** The epoch that the next offer from here has. */
  get nextEpoch(): number {
    return this.highestEpoch + 1;
  }

  /** A new workspace: this device owns its first epoch. */
  async found(): Promise<void> {
    await this.#inTurn(async () => {
      const position = { at: 'owner', epoch: 1, offered: 1 } as const;
      await this.#journal.append(position, 'the workspace was made here');
      this.#state = { position };
    });
  }

  /** Goes on after a restart, from the journal and the QEMU that is found. Throws `conflict` where they contradict. */
  async recover(): Promise<void> {
    await this.#inTurn(async () => {
      const vm = await this.#options.ports.vm.observe();
      await this.#take(recover(this.#state.position, vm));
    });
  }

  /** Resolves when the input has been taken and its effects are done. */
  async input(input: Input): Promise<void> {
    await this.#inTurn(() => this.#take(step(this.#state, input, this.#options.settings)));
  }

  async receive(from: string, message: HandOverMessage): Promise<void> {
    const { workspace: _, ...say } = message;
    await this.input({ in: 'message', from, message: say });
  }

  /** The first event from now on that is wanted; throws the signal's reason. Ask before the input that brings it. */
  until(wanted: (event: HandOverEvent) => boolean, signal: AbortSignal): Promise<HandOverEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<HandOverEvent>();
    const listener = (event: HandOverEvent): void => {
      if (wanted(event)) resolve(event);
    };
    const onAbort = (): void => reject(DockError.from(signal.reason, 'cancelled'));
    this.#listeners.add(listener);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const done = promise.finally(() => {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', onAbort);
    });
    done.catch(() => undefined);
    return done;
  }

  /** The journal in words, oldest first. */
  async history(): Promise<string[]> {
    return this.#journal.history();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#queue;
    await this.#journal[Symbol.asyncDispose]();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#queue.then(async () => {
      if (this.#closed) throw new DockError('cancelled', 'wdockd is stopping');
      await work();
      this.#waitForWord();
    });
    this.#queue = mine.catch(() => undefined);
    return mine;
  }

  /** Executes a step; the results of its effects are taken as further steps before anything else. */
  async #take(first: Step): Promise<void> {
    const steps: Step[] = [first];
    for (let current = steps.shift(); current !== undefined; current = steps.shift()) {
      const before = this.#state;
      this.#state = current.state;
      for (const effect of current.effects) {
        const result = await this.#execute(effect);
        if (result === undefined) continue;
        if (result.in === 'journal-failed' && effect.do === 'commit') {
          // The step has not happened, and what it would have done must not.
          this.#state = before;
          steps.push(step(this.#state, result, this.#options.settings));
          break;
        }
        steps.push(step(this.#state, result, this.#options.settings));
      }
    }
  }

  async #execute(effect: Effect): Promise<Input | undefined> {
    const { ports, workspace } = this.#options;
    switch (effect.do) {
      case 'commit':
      case 'record':
        try {
          await this.#journal.append(effect.position, effect.why);
          return undefined;
        } catch (error) {
          return { in: 'journal-failed', position: effect.position, reason: DockError.from(error).message };
        }
      case 'send':
        void ports.peer.send(effect.to, { ...effect.message, workspace } as HandOverMessage).catch(() => undefined);
        return undefined;
      case 'continue-migration':
        try {
          await ports.vm.continueMigration(effect.epoch);
          return undefined;
        } catch (error) {
          return { in: 'migration-failed', reason: DockError.from(error).message };
        }
      case 'resume':
        try {
          await ports.vm.resume();
          return { in: 'resumed' };
        } catch (error) {
          const { kind, message } = DockError.from(error);
          return { in: 'resume-failed', executed: kind === 'qemu-refused' ? 'no' : 'unknown', reason: message };
        }
      case 'quit':
        await ports.vm.quit();
        return undefined;
      case 'power-cut':
        await ports.vm.powerCut();
        return undefined;
      case 'inspect-disk':
        return { in: 'disk-inspected', disk: await ports.disk.inspect(effect.epoch) };
      case 'emit':
        this.#emit(effect.event);
        return undefined;
    }
  }

  #emit(event: HandOverEvent): void {
    this.#options.onEvent(event);
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** While the other device's word is missing, it is asked for again and again. */
  #waitForWord(): void {
    clearTimeout(this.#timer);
    if (this.#closed || !waitsForWord(this.#state)) return;
    this.#timer = setTimeout(() => void this.input({ in: 'retry' }).catch(() => undefined), retryEveryMs);
    this.#timer.unref();
  }
}

function waitsForWord(state: State): boolean {
  switch (state.position.at) {
    case 'accepting':
    case 'starting':
    case 'lost':
    case 'offering':
    case 'released':
      return true;
    case 'owner':
      return 'halted' in state && state.halted === true;
    case 'away':
      return false;
  }
}
