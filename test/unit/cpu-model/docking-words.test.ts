import { describe, expect, it } from 'vitest';
import { choiceOf, dockingOf } from '../../../host-plugins/cpu-model/docking-words.ts';
import { device, emulating, laptop, ryzen, tablet, workstation } from './example-cpus.ts';

const shape = (cpuModel: string, machineType = 'pc-q35-10.0') => ({ name: 'work', cpuModel, machineType });

describe('a workspace that cannot dock', () => {
  it('for features that the other processor lacks says which, and what to do', () => {
    expect(dockingOf(shape('Skylake-Server-v5'), workstation, laptop, [laptop])).toEqual({
      workspace: 'work',
      device: 'laptop',
      can: 'no',
      detail:
        'work cannot dock to laptop while it runs: its CPU model Skylake-Server-v5 (x86-64-v4) needs avx512f, avx512dq, avx512cd, avx512bw and 1 more, which the processor of "laptop" does not have',
      remedy:
        'after a new start with Skylake-Client-v4 (x86-64-v3) it can: shut it down, then `wdock workspace start work --cpu-model common`',
    });
  });

  it('is told of the model that fits all its devices, not only the new one', () => {
    const { remedy } = dockingOf(shape('Skylake-Server-v5'), workstation, laptop, [laptop, tablet]);
    expect(remedy).toContain('with Westmere-v2 (x86-64-v2)');
  });

  it('is promised nothing of a new start where the new model would not fit either: a kiosk lowers no model', () => {
    const { can, remedy } = dockingOf(shape('Skylake-Client-v4'), laptop, tablet, [workstation]);
    expect({ can, remedy }).toEqual({ can: 'no', remedy: undefined });
  });

  it('between processors of two makers says so, and has no remedy', () => {
    const docking = dockingOf(shape('Westmere-v1'), laptop, ryzen, [ryzen]);
    expect(docking.detail).toContain('"laptop" is of Intel and that of "ryzen" of AMD');
    expect(docking).not.toHaveProperty('remedy');
  });

  it('between KVM and emulation says which is which, and where to look', () => {
    for (const [from, to] of [
      [laptop, emulating],
      [emulating, laptop],
    ] as const) {
      expect(dockingOf(shape('Nehalem-v1'), from, to, [to])).toMatchObject({
        can: 'no',
        detail: expect.stringContaining('"emulating" emulates (TCG) and "laptop" has KVM'),
        remedy: '`wdock doctor` on "emulating" says what KVM needs there',
      });
    }
  });

  it('to another QEMU says which machine type or model that does not have', () => {
    const old = { ...laptop, capability: { ...laptop.capability, qemuVersion: '9.2.0', machineTypes: [] } };
    expect(dockingOf(shape('Haswell-v4'), laptop, old, [old])).toMatchObject({
      detail: expect.stringContaining('QEMU 9.2.0 of "laptop" does not have its machine type pc-q35-10.0'),
      remedy: expect.stringContaining('install another version of QEMU'),
    });
    const without = device('pc', { 'Haswell-v4': [] });
    expect(dockingOf(shape('GraniteRapids-v2'), workstation, without, [without]).detail).toContain(
      'QEMU 10.0.2 of "pc" does not have its CPU model GraniteRapids-v2 (x86-64-v4)',
    );
  });

  it('to an emulating device names the features, and one or two of them without counting', () => {
    const other = device('other', { 'Westmere-v2': ['spec-ctrl'] }, { accelerator: 'tcg' });
    expect(dockingOf(shape('Westmere-v2'), emulating, other, [other]).detail).toMatch(
      /needs spec-ctrl, which emulation on "other" does not have$/,
    );
  });
});

it('a workspace of which nothing is known yet is not said to dock, nor not to', () => {
  expect(dockingOf(shape('Haswell-v4'), laptop, { device: 'pc' }, [])).toMatchObject({
    can: 'unknown',
    detail: expect.stringContaining('has not told yet'),
  });
});

it('a workspace that can dock is said to, whoever made the emulating device’s processor', () => {
  const amd = { device: 'amd', capability: { ...emulating.capability, vendor: 'AuthenticAMD' } };
  expect(dockingOf(shape('Nehalem-v1'), emulating, amd, [amd])).toEqual({
    workspace: 'work',
    device: 'amd',
    can: 'yes',
    detail: 'work can dock to amd',
  });
  expect(dockingOf(shape('Westmere-v1'), workstation, tablet, [])).toMatchObject({ can: 'yes' });
});

describe('the choice for a new workspace', () => {
  it('names the devices that have it, and those that it cannot run on', () => {
    expect(choiceOf(workstation, [laptop, tablet, ryzen])).toEqual({
      model: 'Westmere-v2',
      detail:
        'CPU model Westmere-v2 (x86-64-v2), the newest that workstation, laptop and tablet have; it cannot run on ryzen',
    });
    expect(choiceOf(laptop, []).detail).toBe(
      'CPU model Skylake-Client-v4 (x86-64-v3), the newest that laptop has',
    );
    expect(choiceOf(emulating, []).detail).toContain('the one that emulation does well that emulating has');
  });
});
