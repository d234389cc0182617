import { describe, expect, it } from 'vitest';
import type { Observation } from '../../../../host-plugins/presence/observation.ts';
import { PowerSource } from '../../../../host-plugins/presence/sources/power-source.ts';
import type { HostProfile } from '../../../../protocol/host-profile.ts';

/** Reads these, one after the other, and ends when there are no more. */
async function observe(...readings: (HostProfile['power'] | Error)[]): Promise<Observation[]> {
  const end = new AbortController();
  const told: Observation[] = [];
  const read = async () => {
    const reading = readings.shift();
    if (reading === undefined) end.abort();
    if (reading instanceof Error) throw reading;
    return reading ?? { source: 'mains' as const };
  };
  await new PowerSource({ read, everyMs: 1 }).observe((each) => told.push(each), end.signal);
  return told;
}

describe('what feeds this device', () => {
  it('is not to be had where the profile that it plays is broken', async () => {
    await expect(observe(new Error('mid.yaml:3: no such key'))).rejects.toThrow(/mid.yaml:3/);
  });

  it('is told at first, and when the plug or the charge changes', async () => {
    const told = await observe(
      { source: 'mains', percent: 80 },
      { source: 'mains', percent: 80 },
      { source: 'battery', percent: 80 },
      { source: 'battery', percent: 79 },
    );
    expect(told.slice(0, 3)).toEqual([
      { kind: 'power', mains: true, batteryPercent: 80 },
      { kind: 'power', mains: false, batteryPercent: 80 },
      { kind: 'power', mains: false, batteryPercent: 79 },
    ]);
  });
});
