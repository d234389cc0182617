import { describe, expect, it } from 'vitest';
import {
  parseDefaultRoutes,
  parseNeighbour,
} from '../../../host-plugins/system/host-inventory/parse-routes.ts';

describe('default routes', () => {
  it('that are no output of ip are refused', () => {
    for (const text of ['{}', 'Object "-j" is unknown', '[{"metric":"low"}]']) {
      expect(() => parseDefaultRoutes(text)).toThrow(expect.objectContaining({ kind: 'protocol' }));
    }
  });

  it('without a gateway, or of a dead link, lead to none', () => {
    expect(parseDefaultRoutes('')).toEqual([]);
    expect(
      parseDefaultRoutes(
        JSON.stringify([
          { dst: 'default', dev: 'wg0', flags: [] },
          { dst: 'default', gateway: '10.0.0.1', dev: 'br0', flags: ['linkdown'] },
        ]),
      ),
    ).toEqual([]);
  });

  it('come best first, and each of several next hops counts', () => {
    const routes = [
      { dst: 'default', gateway: '10.1.0.1', dev: 'wlan0', metric: 600, flags: [] },
      { dst: 'default', gateway: '10.0.0.1', dev: 'eth0', metric: 100, flags: [] },
      { dst: 'default', metric: 1024, flags: [], nexthops: [{ gateway: 'fe80::1', dev: 'eth1', weight: 1 }] },
    ];
    expect(parseDefaultRoutes(JSON.stringify(routes))).toEqual([
      { address: '10.0.0.1', device: 'eth0' },
      { address: '10.1.0.1', device: 'wlan0' },
      { address: 'fe80::1', device: 'eth1' },
    ]);
  });
});

describe('a neighbour', () => {
  it('is not known while it is asked for, when it failed to answer, or when nothing is shown', () => {
    for (const entry of [{ state: ['INCOMPLETE'] }, { lladdr: '02:00:00:00:00:01', state: ['FAILED'] }]) {
      expect(parseNeighbour(JSON.stringify([{ dst: '10.0.0.1', ...entry }]))).toBeUndefined();
    }
    expect(parseNeighbour('')).toBeUndefined();
    expect(parseNeighbour('no JSON')).toBeUndefined();
  });

  it('that has not answered lately is known, and not confirmed', () => {
    const shown = (state: string) => JSON.stringify([{ lladdr: '02:00:00:00:00:0A', state: [state] }]);
    expect(parseNeighbour(shown('STALE'))).toEqual({ mac: '02:00:00:00:00:0a', confirmed: false });
    expect(parseNeighbour(shown('REACHABLE'))).toEqual({ mac: '02:00:00:00:00:0a', confirmed: true });
  });
});
