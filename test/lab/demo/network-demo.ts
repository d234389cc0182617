import { DockError } from '../../../protocol/dock-error.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import type { Lab } from '../lab.ts';
import { labAddresses, lanB } from '../network/address-plan.ts';
import { askPeer } from '../traffic/ask-peer.ts';
import { keptAddresses, waitForAnchorToGo } from '../watch/anchor-state.ts';
import { type HeldConnections, NetworkWatch } from '../watch/network-watch.ts';
import { type SilenceSummary, summarizeSilences, type TripNetwork } from '../watch/trip-network.ts';
import { judgeHeld, judgeSilence, judgeTripNetwork } from './judge-network.ts';
import { renderHeld, renderSummary, renderTripNetwork } from './render-network.ts';

/** What the demo says of the guest's network at its end, beside what it says of each trip. */
export interface NetworkResult {
  readonly silences: SilenceSummary;
  readonly held: readonly HeldConnections[];
  /** Frames that the MID sent by a foreign hardware address, which an access point drops. */
  readonly foreignFrames: number;
}

const anchorLimitMs = 120_000;

/** The part of the demo that watches the guest's network; it says what it sees, and keeps what is not as it should be. */
export class NetworkDemo implements AsyncDisposable {
  readonly failures: string[] = [];
  readonly #lab: Lab;
  readonly #say: (text: string) => void;
  readonly #watch: NetworkWatch;
  readonly #trips: TripNetwork[] = [];

  private constructor(lab: Lab, say: (text: string) => void, watch: NetworkWatch) {
    this.#lab = lab;
    this.#say = say;
    this.#watch = watch;
  }

  static async start(lab: Lab, say: (text: string) => void, signal: AbortSignal): Promise<NetworkDemo> {
    return new NetworkDemo(lab, say, await NetworkWatch.open(lab, signal));
  }

  mark(signal: AbortSignal): Promise<void> {
    return this.#watch.mark(signal);
  }

  note(event: ProgressEvent): void {
    this.#watch.note(event);
  }

  async measure(outcome: TripOutcome, signal: AbortSignal): Promise<TripNetwork> {
    const seen = await this.#watch.measure(outcome, signal);
    this.#trips.push(seen);
    const { layout } = this.#lab.network;
    this.failures.push(...judgeTripNetwork(seen), ...(layout === 'lan' ? judgeSilence(seen) : []));
    this.#say(renderTripNetwork(seen));
    if (layout === 'two-lans' && outcome.kind === 'dock') {
      await this.#lookAroundOnOtherLan(signal).catch((error: unknown) => {
        this.failures.push(`on the other LAN: ${DockError.from(error).message}`);
      });
    }
    return seen;
  }

  /** After the last trip. */
  async finish(signal: AbortSignal): Promise<NetworkResult> {
    const silences = summarizeSilences(this.#trips);
    const held = await this.#watch.held(signal);
    const foreignFrames = await this.#lab.network.foreignFrames(signal);
    this.failures.push(...judgeHeld(held));
    if (foreignFrames > 0) {
      this.failures.push(`the access point dropped ${foreignFrames} frames of the MID with a foreign sender`);
    }
    this.#say(`\nconnections opened before the first trip:\n${renderHeld(held)}`);
    this.#say(renderSummary(silences));
    this.#say(`frames of the MID with a foreign sender, at its access point: ${foreignFrames}`);
    return { silences, held, foreignFrames };
  }

  /** With the guest on the other LAN: closes all that was held, and waits until its old addresses are given up. */
  async closeAndSeeAnchorGo(signal: AbortSignal): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
    this.#say('every connection to the old addresses is closed');
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(anchorLimitMs)]);
      const tookMs = await waitForAnchorToGo(
        this.#lab.network.mid,
        [this.#lab.guestAddress, this.#lab.guestAddress6],
        limited,
      );
      this.#say(`the anchor on mid was gone ${(tookMs / 1000).toFixed(1)} s later`);
    } catch (error) {
      signal.throwIfAborted();
      this.failures.push(DockError.from(error).message);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
  }

  /** The guest as it sees itself there, and what the MID keeps for it. */
  async #lookAroundOnOtherLan(signal: AbortSignal): Promise<void> {
    const { network, guestAddress, guestAddress6 } = this.#lab;
    const ask = <const Kind extends { kind: 'network' } | { kind: 'resolve'; name: string }>(request: Kind) =>
      askPeer(
        network.clientB,
        lanB.workspace,
        request,
        AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
      );
    const { addresses, nameservers } = await ask({ kind: 'network' });
    const resolved = await ask({ kind: 'resolve', name: 'gateway.test' });
    const kept = await keptAddresses(network.mid, [guestAddress, guestAddress6], signal);
    const own = addresses.map(({ address }) => address).filter((address) => !address.startsWith('fe80'));
    this.#say(
      `  the guest has ${own.join(', ')}; asks ${nameservers.join(', ')}, which knows ${resolved.addresses.join(', ')}`,
    );
    this.#say(`  the anchor on mid keeps ${kept.join(', ') || 'nothing'}`);
    if (!resolved.addresses.includes(lanB.router)) {
      this.failures.push(`the guest asks a name server that knows ${resolved.addresses} as its gateway`);
    }
    if (nameservers.includes(labAddresses.router)) {
      this.failures.push('the guest still asks the name server of the LAN that it has left');
    }
    if (!kept.includes(guestAddress)) this.failures.push(`mid does not keep ${guestAddress} alive`);
  }
}
