import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../system/dbus/dbus-connection.ts';

/** What one caller may have going on at the same time; who asks for more is a mistake, or means ill. */
const maxForOne = 8;

/** A caller that something is done for as long as it is there. */
export interface PresentCaller extends Disposable {
  /** Aborted when it has left the bus, or the bus has gone. */
  readonly signal: AbortSignal;
}

interface Watched {
  readonly name: string;
  readonly controller: AbortController;
}

/** Watches callers on the bus. */
export class Callers {
  readonly #bus: DbusConnection;
  readonly #watched = new Set<Watched>();

  constructor(bus: DbusConnection) {
    this.#bus = bus;
    // On a new connection nobody is there whom the last one knew.
    bus.whenConnected(() => {
      for (const { controller } of this.#watched) controller.abort(gone());
    });
  }

  /** Throws `conflict` when too much goes on for this one already. @param name its unique name */
  watch(name: string): PresentCaller {
    const same = [...this.#watched].filter((each) => each.name === name);
    if (same.length >= maxForOne)
      throw new DockError('conflict', `${maxForOne} of your calls wait already; wait for one of them`);
    const controller = new AbortController();
    const watched = { name, controller };
    this.#watched.add(watched);
    const stop = this.#bus.listenToOwner(name, (owner) => {
      if (owner === undefined) controller.abort(gone());
    });
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        stop();
        this.#watched.delete(watched);
      },
    };
  }
}

function gone(): DockError {
  return new DockError('cancelled', 'the caller has left the bus');
}
