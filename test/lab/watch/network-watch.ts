import { DockError } from '../../../protocol/dock-error.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import type { Lab } from '../lab.ts';
import { labAddresses, labAddresses6, lanB } from '../network/address-plan.ts';
import { GapProbe } from '../network/gap-probe.ts';
import { askPeer } from '../traffic/ask-peer.ts';
import { Traffic } from '../traffic/traffic.ts';
import type { TrafficSeen } from '../traffic/traffic-report.ts';
import { type NewConnection, type StageStart, stageAt, type TripNetwork } from './trip-network.ts';

/** In each direction of each connection. */
const bitsPerS = 1_000_000;
const openLimitMs = 60_000;
const askLimitMs = 30_000;

/** What was seen of connections that were held over all trips. */
export interface HeldConnections {
  readonly name: string;
  readonly open: boolean;
  readonly ended: string | undefined;
  /** What has gone to the guest and come back. */
  readonly bytes: number;
  /** Blocks of it that were not what was sent. */
  readonly mismatches: number;
}

/**
 * Holds connections between the client on the MID's LAN and the guest while it moves, both ways and over both
 * protocols, and says what each trip cost them.
 */
export class NetworkWatch implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #pings: ReadonlyMap<string, GapProbe>;
  readonly #traffic: Traffic;
  readonly #resources: AsyncDisposableStack;
  readonly #stages: StageStart[] = [];
  #lostBefore = 0;

  private constructor(
    lab: Lab,
    pings: ReadonlyMap<string, GapProbe>,
    traffic: Traffic,
    resources: AsyncDisposableStack,
  ) {
    this.#lab = lab;
    this.#pings = pings;
    this.#traffic = traffic;
    this.#resources = resources;
  }

  /** Returns when everything is open. @throws DockError `io` where something is not, `timeout` where nobody answers */
  static async open(lab: Lab, signal: AbortSignal): Promise<NetworkWatch> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(openLimitMs)]);
    await using resources = new AsyncDisposableStack();
    const { client } = lab.network;
    const pings = new Map<string, GapProbe>();
    for (const [name, address] of [
      ['ipv4', lab.guestAddress],
      ['ipv6', lab.guestAddress6],
    ] as const) {
      pings.set(name, resources.use(await GapProbe.start(client, address, limited)));
    }
    const ways = [
      { name: 'ipv4', guest: lab.guestAddress, own: labAddresses.client },
      { name: 'ipv6', guest: lab.guestAddress6, own: labAddresses6.client },
    ];
    const traffic = resources.use(await Traffic.open(client, { ways, bitsPerS }, limited));
    return new NetworkWatch(lab, pings, traffic, resources.move());
  }

  /** A trip begins: silences count from here. */
  async mark(signal: AbortSignal): Promise<void> {
    for (const ping of this.#pings.values()) ping.mark();
    this.#stages.length = 0;
    this.#lostBefore = countLost(await this.#traffic.mark(signal));
  }

  /** To be told what the trip says of itself, so that a silence can be found in a stage of it. */
  note(event: ProgressEvent): void {
    if (event.kind === 'stage-started') this.#stages.push({ stage: event.stage, atMs: event.at });
  }

  /** What the trip that is over has cost. The guest is asked over new connections now. */
  async measure(outcome: TripOutcome, signal: AbortSignal): Promise<TripNetwork> {
    const seen = await this.#traffic.report(signal);
    return {
      kind: outcome.kind,
      downtimeMs: outcome.downtimeMs ?? 0,
      silences: [
        ...[...this.#pings].map(([name, ping]) => {
          const { networkGapMs, gapFromMs } = ping.measure();
          const during = stageAt(this.#stages, gapFromMs);
          return { of: `ping ${name}`, longestMs: Math.round(networkGapMs), during };
        }),
        ...[...seen.flows, ...seen.datagrams].map(({ name, longestSilenceMs, silentFromMs }) => ({
          of: name,
          longestMs: longestSilenceMs,
          during: stageAt(this.#stages, silentFromMs),
        })),
      ],
      newConnections: await this.#connectAnew(outcome.kind, signal),
      datagramsLost: countLost(seen) - this.#lostBefore,
    };
  }

  /** Every connection that was opened at the beginning, with what has come through it. */
  async held(signal: AbortSignal): Promise<HeldConnections[]> {
    const { flows } = await this.#traffic.report(signal);
    return flows.map(({ name, open, ended, receivedBytes, mismatches }) => {
      return { name, open, ended, bytes: receivedBytes, mismatches };
    });
  }

  /** Closes every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /**
   * From the client to the address that the guest has had from the beginning, over both protocols; and on a LAN that the
   * guest has come to, from a client there to its address of that LAN.
   */
  async #connectAnew(kind: TripOutcome['kind'], signal: AbortSignal): Promise<NewConnection[]> {
    const { layout } = this.#lab.network;
    const away = layout === 'two-lans' && kind === 'dock';
    const tries = [
      ['client', this.#lab.guestAddress],
      ['client', this.#lab.guestAddress6],
      ...(away
        ? ([
            ['client-b', lanB.workspace],
            ['client-b', lanB.workspace6],
          ] as const)
        : []),
    ] as const;
    const made: NewConnection[] = [];
    for (const [from, to] of tries) made.push(await this.#connect(from, to, signal));
    return made;
  }

  async #connect(from: NewConnection['from'], to: string, signal: AbortSignal): Promise<NewConnection> {
    const { network } = this.#lab;
    const host = from === 'client' ? network.client : network.clientB;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(askLimitMs)]);
    const beganMs = performance.now();
    try {
      await askPeer(host, to, { kind: 'network' }, limited);
      return { from, to, tookMs: Math.round(performance.now() - beganMs), failure: undefined };
    } catch (error) {
      signal.throwIfAborted();
      return { from, to, tookMs: undefined, failure: DockError.from(error).message };
    }
  }
}

function countLost({ datagrams }: TrafficSeen): number {
  return datagrams.reduce((sum, { lost }) => sum + lost, 0);
}
