import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TripOutcome } from '../../protocol/outcome.ts';
import { judgeHeld, judgeTripNetwork } from '../lab/demo/judge-network.ts';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { labWorkspaceMac, lanA, lanB, slaacAddress } from '../lab/network/address-plan.ts';
import type { NetworkNamespace } from '../lab/network/network-namespace.ts';
import { askPeer } from '../lab/traffic/ask-peer.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { keptAddresses, waitForAnchorToGo } from '../lab/watch/anchor-state.ts';
import { NetworkWatch } from '../lab/watch/network-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

/** One life of one VM, whose dock is on another LAN; each test begins where the one before it ended. */
describe('a guest that moves to another LAN', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let watch: NetworkWatch;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(
      guest,
      { link: 'unshaped', pc: 'small-pc', layout: 'two-lans', progress: silent },
      signal,
    );
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(60_000));
    watch = await NetworkWatch.open(lab, within(60_000));
  });

  afterAll(async () => {
    for (const each of [watch, load, lab]) await each?.[Symbol.asyncDispose]();
  });

  async function travel(trip: readonly ['dock', string] | readonly ['undock']): Promise<TripOutcome> {
    await watch.mark(within(10_000));
    const outcome = await lab.mid.trip(trip, silent, within(tripLimitMs));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    return outcome;
  }

  /** The guest's own view, without link-local addresses and prefix lengths. */
  async function guestSees(from: NetworkNamespace, at: string) {
    const { addresses, nameservers } = await askPeer(from, at, { kind: 'network' }, within(30_000));
    const bare = addresses.map(({ address }) => address.replace(/\/.*/, ''));
    return { addresses: bare.filter((address) => !address.startsWith('fe80:')), nameservers };
  }

  const oldAddresses = () => [lab.guestAddress, lab.guestAddress6];
  const ownOf = (lan: typeof lanA) => [
    ...[lan.workspace, lan.workspace6],
    slaacAddress(lan.prefix6, labWorkspaceMac),
  ];

  it('keeps its connections there, and can be reached at its old addresses and at its new ones', async () => {
    const outcome = await travel(['dock', 'pc']);
    const seen = await watch.measure(outcome, within(120_000));
    expect(judgeTripNetwork(seen)).toEqual([]);
    expect(seen.newConnections.map(({ from, to }) => `${from} ${to}`)).toEqual([
      ...oldAddresses().map((address) => `client ${address}`),
      ...[lanB.workspace, lanB.workspace6].map((address) => `client-b ${address}`),
    ]);
    expect(judgeHeld(await watch.held(within(30_000)))).toEqual([]);
  });

  it('has addresses of that LAN beside those that are kept, and asks its name server', async () => {
    const { clientB, mid } = lab.network;
    const { addresses, nameservers } = await guestSees(clientB, lanB.workspace);
    expect(addresses).toEqual(expect.arrayContaining([...ownOf(lanB), ...oldAddresses()]));
    expect(nameservers).toContain(lanB.router);
    expect(nameservers).not.toContain(lanA.router);
    const question = { kind: 'resolve', name: 'gateway.test' } as const;
    const resolved = await askPeer(clientB, lanB.workspace, question, within(30_000));
    expect(resolved.addresses).toEqual([lanB.router, lanB.router6]);
    expect(await keptAddresses(mid, oldAddresses(), within(10_000))).toEqual(oldAddresses());
  });

  it('is at home again as it was, with its connections, and nothing of it is left on the other LAN', async () => {
    const outcome = await travel(['undock']);
    const seen = await watch.measure(outcome, within(120_000));
    expect(judgeTripNetwork(seen)).toEqual([]);
    expect(judgeHeld(await watch.held(within(30_000)))).toEqual([]);
    // The PC keeps those of its LAN in turn, for what was begun there, until nothing uses them.
    await waitForAnchorToGo(lab.network.pc, ownOf(lanB), within(120_000));
    const { addresses, nameservers } = await guestSees(lab.network.client, lab.guestAddress);
    expect(addresses).toEqual(expect.arrayContaining(ownOf(lanA)));
    expect(addresses.filter((address) => ownOf(lanB).includes(address))).toEqual([]);
    expect(nameservers).toContain(lanA.router);
    expect(await keptAddresses(lab.network.pc, oldAddresses(), within(10_000))).toEqual([]);
  });

  it('loses its old addresses when nothing uses them any more, and stays at its new ones', async () => {
    await travel(['dock', 'pc']);
    expect((await load.verdict(within(120_000))).verdict).toBe('intact');
    expect(await keptAddresses(lab.network.mid, oldAddresses(), within(10_000))).toEqual(oldAddresses());
    await watch[Symbol.asyncDispose]();
    await load[Symbol.asyncDispose]();
    await waitForAnchorToGo(lab.network.mid, oldAddresses(), within(120_000));
    const { addresses } = await guestSees(lab.network.clientB, lanB.workspace);
    expect(addresses).toEqual(expect.arrayContaining(ownOf(lanB)));
    expect(addresses.filter((address) => oldAddresses().includes(address))).toEqual([]);
  });

  it('comes home without an anchor, to its addresses there', async () => {
    const outcome = await lab.mid.trip(['undock'], silent, within(tripLimitMs));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    for (const address of oldAddresses()) {
      const { addresses } = await guestSees(lab.network.client, address);
      expect(addresses).toEqual(expect.arrayContaining(ownOf(lanA)));
    }
  });

  it('runs on there with its old addresses when nobody on that LAN gives it one, and that is said', async () => {
    await lab.network.stopServices(lanB);
    const outcome = await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect(outcome.shortfalls).toContainEqual(
      expect.objectContaining({
        resource: 'network',
        reason: expect.stringMatching(/no DHCP server on the new LAN answered/),
      }),
    );
    for (const address of oldAddresses()) {
      const { addresses } = await guestSees(lab.network.client, address);
      expect(addresses).toEqual(expect.arrayContaining(oldAddresses()));
    }
  });
});
