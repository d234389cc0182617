import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseCpuModel, gives } from '../../../host-plugins/cpu-model/choose-model.ts';
import { ladderModels, modelWords } from '../../../host-plugins/cpu-model/ladder.ts';
import { device, emulating, laptop, ryzen, tablet, workstation } from './example-cpus.ts';

describe('the CPU model of a new workspace', () => {
  it('is refused, with what is missing, where this device can give none', () => {
    expect(() => chooseCpuModel(device('old', { 'Nehalem-v1': ['sse4.2'] }), [])).toThrow(
      /"old" can give a guest no CPU: of the oldest model, Nehalem-v1, it lacks sse4\.2/,
    );
    expect(() => chooseCpuModel(device('odd', {}), [laptop])).toThrow('does not know it');
  });

  it('is the newest that every device has whole (KVM’s answers are written by hand)', () => {
    expect(chooseCpuModel(laptop, [])).toEqual({ model: 'Skylake-Client-v4', leftOut: [] });
    expect(chooseCpuModel(laptop, [workstation])).toEqual({ model: 'Skylake-Client-v4', leftOut: [] });
    expect(chooseCpuModel(workstation, [laptop, tablet])).toEqual({ model: 'Westmere-v2', leftOut: [] });
    expect(chooseCpuModel(workstation, []).model).toBe('Icelake-Server-v6');
    expect(chooseCpuModel(ryzen, []).model).toBe('EPYC-Milan-v2');
  });

  it('is of a version without TSX where there is one, though TSX is there: microcode takes it away', () => {
    const lucky = device('lucky', { 'Haswell-v1': [], 'Haswell-v2': [], 'Haswell-v3': [] });
    expect(chooseCpuModel(lucky, []).model).toBe('Haswell-v2');
  });

  it('is not less for a device that no running guest can reach, of which it says so', () => {
    expect(chooseCpuModel(laptop, [ryzen, workstation])).toEqual({
      model: 'Skylake-Client-v4',
      leftOut: [ryzen],
    });
    expect(chooseCpuModel(laptop, [emulating])).toEqual({ model: 'Skylake-Client-v4', leftOut: [emulating] });
  });

  it('is what most devices have, where none is common to all', () => {
    const odd = device('odd', { 'Icelake-Server-v6': [] });
    expect(chooseCpuModel(workstation, [odd, laptop, tablet])).toEqual({
      model: 'Westmere-v2',
      leftOut: [odd],
    });
  });

  it('is always the same one under emulation, which does no other well', () => {
    expect(chooseCpuModel(emulating, [{ ...emulating, device: 'other' }])).toEqual({
      model: 'Nehalem-v1',
      leftOut: [],
    });
  });
});

describe('any set of devices', () => {
  const offers = fc
    .array(
      fc.record({
        vendor: fc.constantFrom('GenuineIntel', 'GenuineIntel', 'AuthenticAMD'),
        accelerator: fc.constantFrom('kvm' as const, 'kvm' as const, 'tcg' as const),
        whole: fc.subarray([...ladderModels], { minLength: 1 }),
      }),
      { minLength: 1, maxLength: 5 },
    )
    .map((all) =>
      all.map(({ vendor, accelerator, whole }, index) =>
        device(
          `d${index}`,
          Object.fromEntries(ladderModels.map((name) => [name, whole.includes(name) ? [] : ['x']])),
          { vendor, accelerator },
        ),
      ),
    );
  /** What each of the devices comes to, with the others in this order; undefined where it can give none. */
  const choices = (all: ReturnType<typeof device>[], order: number) =>
    all.map((self) => {
      const others = all.filter((other) => other !== self);
      try {
        return chooseCpuModel(self, order === 0 ? others : others.reverse());
      } catch {
        return undefined;
      }
    });

  it('gets a model that this device and all that are not left out have whole, in whatever order they are', () => {
    fc.assert(
      fc.property(offers, (all) => {
        const chosen = choices(all, 0);
        expect(choices(all, 1).map((choice) => choice?.model)).toEqual(chosen.map((choice) => choice?.model));
        for (const [index, choice] of chosen.entries()) {
          if (choice === undefined) continue;
          const out = new Set(choice.leftOut.map(({ device: name }) => name));
          expect(out.has(`d${index}`)).toBe(false);
          for (const each of all)
            if (!out.has(each.device)) expect(gives(each.capability, choice.model)).toBe(true);
        }
      }),
    );
  });

  it('that has one in common gets the same one on each of them', () => {
    fc.assert(
      fc.property(offers, (all) => {
        const chosen = choices(all, 0);
        if (!chosen.some((choice) => choice?.leftOut.length === 0)) return;
        expect(new Set(chosen.map((choice) => choice?.model)).size).toBe(1);
        for (const choice of chosen) expect(choice?.leftOut).toEqual([]);
      }),
    );
  });
});

it('the level of a model is told with it', () => {
  expect(['Westmere-v2', 'Haswell-v4', 'EPYC-Genoa-v1', 'EPYC-v1', 'Conroe-v1'].map(modelWords)).toEqual([
    'Westmere-v2 (x86-64-v2)',
    'Haswell-v4 (x86-64-v3)',
    'EPYC-Genoa-v1 (x86-64-v4)',
    'EPYC-v1 (x86-64-v3)',
    'Conroe-v1',
  ]);
});
