import type { TriggerRules } from '../../policies/choose/choose-triggers.ts';
import type { Decision } from '../../protocol/control-methods.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import { presenceName } from './engine/presence-name.ts';
import {
  type PresenceDecision,
  type PresenceInput,
  type PresenceState,
  unknownPresence,
} from './engine/presence-state.ts';
import { nextDeadline, outlook, stepPresence } from './engine/step-presence.ts';
import type { PresenceClock } from './presence-clock.ts';

type WithoutTime<T> = T extends unknown ? Omit<T, 'at'> : never;

/** The rules in force, and where each comes from. */
export interface SourcedRules {
  readonly rules: TriggerRules;
  readonly decisions: readonly Decision[];
}

export interface UnitListener {
  /** In the order in which they were made. */
  decided(unit: PresenceUnit, decision: PresenceDecision): void;
  /** What people see of it is another thing now. */
  changed(unit: PresenceUnit): void;
}

/** One other device and, where there is one, one workspace: the engine with its clock, and its last word. */
export class PresenceUnit implements Disposable {
  readonly deviceId: string;
  readonly workspace: string | undefined;
  readonly #clock: PresenceClock;
  readonly #listener: UnitListener;
  #sourced: SourcedRules;
  #state: PresenceState;
  #alarm: Disposable | undefined;
  #shown = '';
  /** Of the question, ms since 1970; as it was when it was asked, so that it stays the same each time it is shown. */
  #answerUntil = 0;
  #disposed = false;

  /** @param like a unit of the same device, whose observations hold for this one, too */
  constructor(
    subject: { readonly deviceId: string; readonly workspace: string | undefined },
    settings: {
      readonly clock: PresenceClock;
      readonly listener: UnitListener;
      readonly rules: SourcedRules;
    },
    like?: PresenceUnit,
  ) {
    this.deviceId = subject.deviceId;
    this.workspace = subject.workspace;
    this.#clock = settings.clock;
    this.#listener = settings.listener;
    this.#sourced = settings.rules;
    this.#state =
      like === undefined
        ? unknownPresence
        : { ...unknownPresence, nearness: like.#state.nearness, host: like.#state.host };
  }

  get state(): PresenceState {
    return this.#state;
  }

  get sourced(): SourcedRules {
    return this.#sourced;
  }

  /** New rules count at once. */
  use(sourced: SourcedRules): void {
    this.#sourced = sourced;
    this.feed({ in: 'tick' });
  }

  feed(input: WithoutTime<PresenceInput>): void {
    if (this.#disposed) return;
    const { rules } = this.#sourced;
    const at = this.#clock.now();
    const { state, decisions } = stepPresence(this.#state, rules, { ...input, at });
    if (state.question !== undefined && state.question !== this.#state.question)
      this.#answerUntil = Math.round(this.#clock.wall() + state.question.until - at);
    this.#state = state;
    this.#alarm?.[Symbol.dispose]();
    const deadline = nextDeadline(state, rules, at);
    this.#alarm =
      deadline === undefined ? undefined : this.#clock.alarm(deadline, () => this.feed({ in: 'tick' }));
    const shown = this.#appearance();
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#listener.changed(this);
    }
    for (const decision of decisions) this.#listener.decided(this, decision);
  }

  /** @param deviceName the user's name of the device */
  status(deviceName: string): PresenceStatus {
    const at = this.#clock.now();
    const { question, nearness } = this.#state;
    return {
      device: deviceName,
      ...(this.workspace === undefined ? {} : { workspace: this.workspace }),
      state: presenceName(this.#state),
      why: nearness.why,
      next: outlook(this.#state, this.#sourced.rules, at),
      ...(question === undefined
        ? {}
        : {
            question: {
              trip: question.trip,
              why: question.why,
              answerWithinMs: Math.max(0, Math.round(question.until - at)),
              until: this.#answerUntil,
            },
          }),
    };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#alarm?.[Symbol.dispose]();
  }

  /** Without the figures of a link, which are others at each beat. */
  #appearance(): string {
    const next = outlook(this.#state, this.#sourced.rules, this.#clock.now());
    return JSON.stringify([presenceName(this.#state), this.#state.question?.until, next]);
  }
}
