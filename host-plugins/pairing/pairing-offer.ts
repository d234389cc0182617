import type { TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { answerPairing } from './answer-pairing.ts';
import { ExchangeLimits } from './exchange-limits.ts';
import type { DeviceId } from './fingerprint.ts';
import { PairingLink } from './pairing-link.ts';
import type { DeviceImport, TrustedDevice } from './trust-store.ts';

/** One run, from the handshake to the last message, ms; the slowest part is scrypt on a small device. */
export const runLimitMs = 10_000;
/** For the last message to arrive, ms. */
export const farewellMs = 1_000;

export interface PairingOfferParts {
  readonly self: DeviceId;
  /** Of the code that is shown. */
  readonly w: bigint;
  readonly store: (device: Omit<DeviceImport, 'trust'>) => Promise<TrustedDevice>;
  readonly onWrongGuess: () => void;
}

/**
 * A code while it is shown: what strangers may try on it. Its first guess spends it, right or wrong, and the others that
 * are trying at that moment are sent away.
 */
export class PairingOffer {
  /** The device that had the code. Rejects after a wrong guess, and when the right one could not be stored. */
  readonly paired: Promise<TrustedDevice>;

  readonly #parts: PairingOfferParts;
  readonly #limits = new ExchangeLimits();
  readonly #runs = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #outcome = Promise.withResolvers<TrustedDevice>();
  /** Settled when the code is spent. */
  readonly #spent = Promise.withResolvers<void>();
  #isSpent = false;

  constructor(parts: PairingOfferParts) {
    this.#parts = parts;
    this.paired = this.#outcome.promise;
    this.paired.catch(() => undefined); // who waits may have left
  }

  /** Resolves when a guess has been looked at, or the offer was closed. */
  get spent(): Promise<void> {
    return this.#spent.promise;
  }

  admits(): boolean {
    return !this.#isSpent && !this.#limits.full;
  }

  /** Answers a stranger whose handshake is over. */
  accept(socket: TLSSocket): void {
    const run = this.#answer(socket).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  /** The code is void from now on; returns when nobody is connected any more. */
  async close(): Promise<void> {
    this.#spend();
    this.#closing.abort(new DockError('cancelled', 'the pairing was closed'));
    await Promise.all(this.#runs);
  }

  async #answer(socket: TLSSocket): Promise<void> {
    const { self, w, store } = this.#parts;
    const from = socket.remoteAddress ?? 'an unknown address';
    const link = new PairingLink(socket);
    let guessed: 'right' | 'wrong' | undefined;
    const spend = (right: boolean): boolean => {
      if (!this.#spend()) return false;
      guessed = right ? 'right' : 'wrong';
      return true;
    };
    using place = this.#limits.enter(from);
    try {
      if (place === undefined) link.send({ refused: 'busy' });
      else {
        const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(runLimitMs)]);
        this.#outcome.resolve(await answerPairing({ socket, link, self, w, spend, store }, signal));
      }
    } catch (error) {
      if (guessed === 'wrong') this.#parts.onWrongGuess();
      if (guessed !== undefined) this.#outcome.reject(guessed === 'wrong' ? wrongGuess(from) : broken(error));
      else if (this.#closing.signal.aborted) link.send({ refused: 'closed' });
    } finally {
      await link.finish(AbortSignal.timeout(farewellMs));
    }
  }

  #spend(): boolean {
    if (this.#isSpent) return false;
    this.#isSpent = true;
    this.#spent.resolve();
    return true;
  }
}

function wrongGuess(from: string): DockError {
  return new DockError(
    'untrusted',
    `a wrong code came from ${from}, and this one is void now; nothing was stored. Run \`wdock pair\` again for a new one. If it was not you, somebody in your network is guessing, or is between the two devices`,
  );
}

/** The code was right, and then something failed. */
function broken(thrown: unknown): DockError {
  const error = DockError.from(thrown);
  if (error.kind !== 'peer-gone' && error.kind !== 'peer-refused' && error.kind !== 'timeout') return error;
  return new DockError(
    error.kind,
    'the code was right, but the other device went away or could not take this one in (its screen says why); nothing was stored here. Run `wdock pair` again',
    { cause: error },
  );
}
