import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseTrim, type TrimFacts } from '../../../host-plugins/pipeline/choose-trim.ts';
import { estimateLink } from '../../../host-plugins/pipeline/estimate-link.ts';
import { host } from '../plugins/samples.ts';

const slow = { bytesPerS: 8_750_000, from: 'the kind of the link' } as const;
const fast = { bytesPerS: 1_000_000_000, from: 'the last move' } as const;
const cache = { activeMiB: 80, inactiveMiB: 300, dirtyMiB: 0 };

const facts = (changes: Partial<TrimFacts> = {}): TrimFacts => ({
  rules: { trimCache: 'auto', keepCacheMiB: 64 },
  memory: { cache },
  link: slow,
  targetHasPages: 0,
  ...changes,
});
const reason = (changes: Partial<TrimFacts>) => {
  const choice = chooseTrim(facts(changes));
  expect(choice.trim).toBe(false);
  return choice.because;
};

describe('page cache before a move', () => {
  it('stays where the policy says so, whatever it is', () => {
    const cacheOf = fc.record({ activeMiB: fc.nat(9000), inactiveMiB: fc.nat(9000), dirtyMiB: fc.nat(900) });
    fc.assert(
      fc.property(cacheOf, (some) => {
        const rules = { trimCache: 'never', keepCacheMiB: 0 } as const;
        expect(chooseTrim(facts({ rules, memory: { cache: some } })).trim).toBe(false);
      }),
    );
  });

  it('stays in a guest that does not tell, has little that is cold, or is short of memory', () => {
    expect(reason({ memory: {} })).toContain('does not tell');
    expect(reason({ memory: { cache: { ...cache, inactiveMiB: 20 } } })).toContain('20 MiB');
    expect(reason({ memory: { cache, pressureSomeAvg10: 25 } })).toContain('short of memory');
  });

  it('stays where the target has pages already, and where the link is fast', () => {
    expect(reason({ targetHasPages: 1 })).toContain('need not be sent');
    expect(reason({ link: fast })).toContain('0.1 s by the last move');
  });

  it('is dropped as far as it is cold and clean, and never below what is kept', () => {
    expect(chooseTrim(facts())).toMatchObject({ trim: true, mib: 300, orAll: false });
    expect(chooseTrim(facts({ memory: { cache: { ...cache, dirtyMiB: 100 } } }))).toMatchObject({ mib: 200 });
    expect(chooseTrim(facts({ memory: { cache: { ...cache, activeMiB: 0 } } }))).toMatchObject({ mib: 236 });
  });

  it('is dropped down to what is kept where the policy says always, over any link', () => {
    const rules = { trimCache: 'always', keepCacheMiB: 100 } as const;
    expect(chooseTrim(facts({ rules, link: fast, targetHasPages: 9 }))).toMatchObject({
      trim: true,
      mib: 280,
      orAll: true,
    });
    expect(chooseTrim(facts({ rules: { ...rules, keepCacheMiB: 400 } })).trim).toBe(false);
  });
});

describe('what a link is thought to carry', () => {
  const wired = host({
    links: [{ name: 'eth0', kind: 'ethernet', canBridge: true, metered: false, addresses: [] }],
  });
  const radio = host({
    links: [{ name: 'wlan0', kind: 'wifi', canBridge: false, metered: false, addresses: [] }],
  });

  it('is that of Wi-Fi as long as one end has no cable or does not tell', () => {
    for (const other of [radio, host({ links: [] })]) {
      expect(estimateLink(wired, other, undefined).bytesPerS).toBeLessThan(10_000_000);
    }
    expect(estimateLink(wired, wired, undefined).bytesPerS).toBeGreaterThan(100_000_000);
  });

  it('is what the last move had, and never more than moves may take', () => {
    expect(estimateLink(wired, radio, 50_000_000)).toEqual({ bytesPerS: 50_000_000, from: 'the last move' });
    expect(estimateLink(wired, wired, 50_000_000, 1_000).bytesPerS).toBe(1_000);
  });
});
