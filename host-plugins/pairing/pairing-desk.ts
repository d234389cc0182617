import { DockError } from '../../protocol/dock-error.ts';
import type { TrustLevel } from '../../protocol/trust-level.ts';
import { askPairing } from './ask-pairing.ts';
import { formatDeviceAddress, parseDeviceAddress } from './device-address.ts';
import type { Identity } from './identity.ts';
import { ownAddresses } from './own-addresses.ts';
import { makePairingCode, parsePairingCode } from './pairing-code.ts';
import { PairingLink } from './pairing-link.ts';
import { farewellMs, PairingOffer, runLimitMs } from './pairing-offer.ts';
import { secretOfCode } from './secret-of-code.ts';
import { dialForPairing } from './secure-dial.ts';
import type { SecureServer } from './secure-server.ts';
import { parseDeviceName, type TrustedDevice, type TrustStore } from './trust-store.ts';
import { untilAborted } from './until-aborted.ts';
import { WrongGuesses } from './wrong-guesses.ts';

/** How long a code is good, ms. */
const codeLifetimeMs = 2 * 60_000;

export interface PairingDeskOptions {
  readonly identity: Identity;
  /** What this device calls itself. */
  readonly name: string;
  readonly trust: TrustStore;
  readonly server: SecureServer;
  readonly lifetimeMs?: number;
}

/** What the user has to see, to type it on the other device. */
export interface ShownCode {
  readonly code: string;
  readonly expiresInMs: number;
  readonly port: number;
  readonly addresses: readonly string[];
}

/**
 * Pairs this device with others by a code of six digits: `offer` shows one, `join` takes the one that another shows.
 * Strangers are answered only while `offer` waits, and only as long as its code is good.
 */
export class PairingDesk {
  readonly #options: PairingDeskOptions;
  readonly #wrongGuesses = new WrongGuesses();

  constructor(options: PairingDeskOptions) {
    this.#options = options;
  }

  /**
   * Shows a code and waits for the device that has it. `name`: what to call it, default what it calls itself. When
   * this returns or throws, strangers get nothing any more. Throws `untrusted` after a wrong guess, `timeout` when the
   * code's time is over, `conflict` when a pairing is open already or too many guesses were wrong lately.
   */
  async offer(
    wish: { readonly name?: string | undefined; readonly trust?: TrustLevel | undefined },
    show: (shown: ShownCode) => void,
    signal: AbortSignal,
  ): Promise<TrustedDevice> {
    const { identity, trust, server, lifetimeMs = codeLifetimeMs } = this.#options;
    this.#wrongGuesses.check();
    if (wish.name !== undefined) parseDeviceName(wish.name);
    const listening = this.#listening();
    const code = makePairingCode();
    const offer = new PairingOffer({
      self: identity.id,
      w: await secretOfCode(code, identity.id),
      store: (device) => trust.add({ ...device, name: wish.name ?? device.name, trust: wish.trust }),
      onWrongGuess: () => this.#wrongGuesses.add(),
    });
    using _door = server.openPairing(offer);
    const expiry = new AbortController();
    const timer = setTimeout(() => expiry.abort(expired()), lifetimeMs);
    void offer.spent.then(() => clearTimeout(timer)); // a guess in time may finish
    try {
      const { address, port } = listening;
      show({ code, expiresInMs: lifetimeMs, port, addresses: ownAddresses(address) });
      return await untilAborted(offer.paired, AbortSignal.any([signal, expiry.signal]));
    } finally {
      await offer.close();
    }
  }

  /**
   * Pairs with the device that shows this code at this address. When it throws, the other device is not trusted here,
   * or as it was before. Throws `usage` for what is no code, name or address, `conflict` for a name that another device has,
   * and as `dialForPairing` and `askPairing` do.
   */
  async join(
    wish: {
      readonly name: string;
      readonly address: string;
      readonly code: string;
      readonly trust?: TrustLevel | undefined;
    },
    signal: AbortSignal,
  ): Promise<TrustedDevice> {
    const { identity, trust, name } = this.#options;
    const code = parsePairingCode(wish.code);
    parseDeviceName(wish.name);
    const address = formatDeviceAddress(parseDeviceAddress(wish.address));
    const { port } = this.#listening();
    const socket = await dialForPairing(identity, address, signal);
    const link = new PairingLink(socket);
    let before: TrustedDevice | undefined;
    try {
      return await askPairing(
        {
          socket,
          link,
          self: identity.id,
          code,
          name,
          port,
          check: (peer) => trust.checkName(wish.name, peer.id),
          store: async ({ id, certificatePem }) => {
            before = trust.byId(id);
            return await trust.add({
              name: wish.name,
              certificatePem,
              fingerprint: id,
              address,
              trust: wish.trust,
            });
          },
          unstore: async ({ id }) => {
            if (before === undefined) await trust.forget(id);
            else await trust.add({ ...before, fingerprint: id });
          },
        },
        AbortSignal.any([signal, AbortSignal.timeout(runLimitMs)]),
      );
    } finally {
      await link.finish(AbortSignal.timeout(farewellMs));
    }
  }

  #listening() {
    const listening = this.#options.server.address;
    if (listening !== undefined) return listening;
    throw new DockError('conflict', 'wdockd is only starting, and listens to no device yet; try it again');
  }
}

function expired(): DockError {
  return new DockError(
    'timeout',
    'nobody used the code in time, and it is void now; run `wdock pair` again for a new one',
  );
}
