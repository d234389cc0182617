import type { PairingCode } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { TrustLevel } from '../../protocol/trust-level.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import type { Callers } from './callers.ts';

export type PairingEnd = { readonly device: string } | { readonly error: DockError };

/** Pairing codes that callers on the bus have asked for; each ends with its caller. */
export class PairingOffers {
  readonly #calls: ControlCalls;
  readonly #callers: Callers;
  readonly #ended: (end: PairingEnd) => void;
  readonly #open = new Map<string, AbortController>();

  constructor(calls: ControlCalls, callers: Callers, ended: (end: PairingEnd) => void) {
    this.#calls = calls;
    this.#callers = callers;
    this.#ended = ended;
  }

  /** The code, as soon as it is good; rejects when none can be had. How it ends is told later. */
  async offer(
    caller: string,
    wish: { readonly name?: string; readonly trust?: TrustLevel },
  ): Promise<PairingCode> {
    if (this.#open.has(caller))
      throw new DockError('conflict', 'you are shown a pairing code already; CancelPairing ends that');
    const { promise, resolve, reject } = Promise.withResolvers<PairingCode>();
    let shown = false;
    const onProgress = (code: PairingCode) => {
      shown = true;
      resolve(code);
    };
    this.#run(caller, wish, onProgress).then(
      (device) => this.#ended({ device }),
      (thrown: unknown) => {
        const error = DockError.from(thrown);
        if (shown) this.#ended({ error });
        else reject(error);
      },
    );
    return await promise;
  }

  /** Throws `not-found`. */
  cancel(caller: string): void {
    const open = this.#open.get(caller);
    if (open === undefined) throw new DockError('not-found', 'you are shown no pairing code');
    open.abort(new DockError('cancelled', 'the pairing was cancelled'));
  }

  /** Returns the name of the device that came. */
  async #run(
    caller: string,
    wish: { readonly name?: string; readonly trust?: TrustLevel },
    onProgress: (code: PairingCode) => void,
  ): Promise<string> {
    const cancelled = new AbortController();
    this.#open.set(caller, cancelled);
    using present = this.#callers.watch(caller);
    const signal = AbortSignal.any([present.signal, cancelled.signal]);
    try {
      const { device } = await this.#calls.run('pair.offer', wish, { signal, onProgress });
      return device.name;
    } finally {
      this.#open.delete(caller);
    }
  }
}
