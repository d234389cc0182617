import type { Notification } from './notification.ts';
import type { NotificationServer } from './notification-server.ts';

/** What notifications of one session have in common. */
export interface Screen {
  readonly server: NotificationServer;
  /** Gets what could not be shown. */
  readonly complain: (thrown: unknown) => void;
  readonly signal: AbortSignal;
}

/** One notification, kept as it shall be: one call at a time, and what comes meanwhile replaces what waits. */
export class KeptNotification {
  readonly #screen: Screen;
  /** 0: there is none on the screen. */
  #id = 0;
  #wanted: Notification | undefined;
  /** What was asked for last, as text that can be compared; empty: nothing. */
  #asked = '';
  #busy = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Whether this is its number on the screen. */
  is(id: number): boolean {
    return id !== 0 && this.#id === id;
  }

  show(wanted: Notification): void {
    this.#wanted = wanted;
    void this.#work();
  }

  takeAway(): void {
    this.#wanted = undefined;
    void this.#work();
  }

  /** Its user has put it away: what is shown next is a new one. */
  wasPutAway(): void {
    this.#id = 0;
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { server, complain, signal } = this.#screen;
    try {
      for (;;) {
        const wanted = this.#wanted;
        const asked = wanted === undefined ? '' : JSON.stringify(wanted);
        if (asked === this.#asked) break;
        this.#asked = asked;
        if (wanted !== undefined) this.#id = await server.show(wanted, this.#id, signal);
        else if (this.#id !== 0) {
          const id = this.#id;
          this.#id = 0;
          await server.takeAway(id, signal);
        }
      }
    } catch (error) {
      complain(error);
    }
    this.#busy = false;
  }
}
