import { describe, expect, it } from 'vitest';
import { parseDemoArguments } from '../../lab/demo/demo-arguments.ts';
import { judgeSilence } from '../../lab/demo/judge-network.ts';
import type { TripNetwork } from '../../lab/watch/trip-network.ts';

const trip = (downtimeMs: number, ...silences: TripNetwork['silences']): TripNetwork => ({
  ...{ kind: 'undock', downtimeMs, silences, newConnections: [], datagramsLost: 0 },
});

describe('the silence of a trip', () => {
  it('is a failure for each thing that was silent for more than twice the standstill and 200 ms', () => {
    const seen = trip(
      250,
      { of: 'ping ipv4', longestMs: 701, during: 'hand-over' },
      { of: 'ping ipv6', longestMs: 700, during: 'hand-over' },
      { of: 'flow', longestMs: 2_000, during: undefined },
    );
    expect(judgeSilence(seen)).toEqual([
      'in the undock, from hand-over on, ping ipv4 was silent for 701 ms, which is more than 700',
      'in the undock, from before on, flow was silent for 2000 ms, which is more than 700',
    ]);
  });
});

describe('the demo', () => {
  it('makes the twenty round trips that are claimed of one LAN, and one where nothing is said', () => {
    expect(parseDemoArguments(['--network', 'lan']).trips).toBe(20);
    expect(parseDemoArguments(['--network', 'lan', '--trips', '2']).trips).toBe(2);
    expect(parseDemoArguments(['--network', 'two-lans']).trips).toBe(1);
    expect(parseDemoArguments([]).trips).toBe(1);
  });

  it('has its mobile device on Wi-Fi and its PC on a wire where it watches the network', () => {
    expect(parseDemoArguments(['--network', 'lan'])).toMatchObject({
      midLink: 'wifi70',
      link: 'ethernet100',
    });
  });
});
