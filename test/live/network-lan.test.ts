import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeHeld, judgeTripNetwork } from '../lab/demo/judge-network.ts';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { labMacs, labWorkspaceMac, lanA, slaacAddress } from '../lab/network/address-plan.ts';
import { FrameCapture } from '../lab/network/frame-capture.ts';
import { askPeer } from '../lab/traffic/ask-peer.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { NetworkWatch } from '../lab/watch/network-watch.ts';
import type { TripNetwork } from '../lab/watch/trip-network.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

/** One life of one VM, from Wi-Fi to a wire and back; each test begins where the one before it ended. */
describe('a guest that moves within its LAN', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let watch: NetworkWatch;
  let capture: FrameCapture;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(guest, { link: 'unshaped', pc: 'small-pc', progress: silent }, signal);
    capture = await FrameCapture.start(lab.network.lan, within(30_000));
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(60_000));
    watch = await NetworkWatch.open(lab, within(60_000));
  });

  afterAll(async () => {
    for (const each of [watch, load, capture, lab]) await each?.[Symbol.asyncDispose]();
  });

  async function travel(trip: readonly ['dock', string] | readonly ['undock']): Promise<TripNetwork> {
    await watch.mark(within(10_000));
    const outcome = await lab.mid.trip(trip, silent, within(tripLimitMs));
    const seen = await watch.measure(outcome, within(120_000));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    expect(outcome.shortfalls.filter(({ resource }) => resource === 'network')).toEqual([]);
    return seen;
  }

  /** Nothing was ended, nothing was damaged, and whoever comes new finds the guest where it always was. */
  async function expectStillThere(seen: TripNetwork): Promise<void> {
    expect(judgeTripNetwork(seen)).toEqual([]);
    expect(seen.newConnections.map(({ to }) => to)).toEqual([lab.guestAddress, lab.guestAddress6]);
    expect(judgeHeld(await watch.held(within(30_000)))).toEqual([]);
  }

  it('keeps its connections on the way from Wi-Fi to a wire, both ways, over IPv4 and IPv6', async () => {
    await expectStillThere(await travel(['dock', 'pc']));
  });

  it('keeps its connections on the way back', async () => {
    await expectStillThere(await travel(['undock']));
  });

  it('has the addresses that it had', async () => {
    const { addresses, nameservers } = await askPeer(
      lab.network.client,
      lab.guestAddress,
      { kind: 'network' },
      within(30_000),
    );
    const bare = addresses.map(({ address }) => address.replace(/\/.*/, ''));
    const own = [lab.guestAddress, lab.guestAddress6, slaacAddress(lanA.prefix6, labWorkspaceMac)];
    expect(bare.filter((address) => !address.startsWith('fe80:')).toSorted()).toEqual(own.toSorted());
    expect(nameservers).toContain(lanA.router);
  });

  it('never made its Wi-Fi host send by another hardware address than its own', async () => {
    const captured = await capture.finish();
    expect([...captured.keys()]).toEqual([labMacs.mid]);
    expect(captured.get(labMacs.mid)).toBeGreaterThan(1000);
    expect(await lab.network.foreignFrames(within(10_000))).toBe(0);
  });

  it('has its memory and its disk as they should be', async () => {
    const report = await load.verdict(within(120_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.disk.firstProblem).toBeUndefined();
    expect(report.verdict).toBe('intact');
  });
});
