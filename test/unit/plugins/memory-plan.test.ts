import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeFloor, defaultMemoryMargin } from '../../../host-plugins/memory/floor.ts';
import { nextPluggedMiB } from '../../../host-plugins/memory/grow-steps.ts';
import { MemoryChange, planMemory } from '../../../host-plugins/memory/plan.ts';
import { verifyMemory } from '../../../host-plugins/memory/verify.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { allocation, context, guest, host } from './samples.ts';

const big = { pluggedVcpus: [], requestedPluggedMemoryMiB: 4402 };

function refusal(work: () => unknown): DockError {
  try {
    work();
  } catch (error) {
    if (error instanceof DockError) return error;
  }
  throw new Error('was not refused');
}

describe('planning memory', () => {
  it('refuses a guest that does not fit, with the numbers and who holds the memory', () => {
    const largest = [
      { name: 'small', pid: 9, residentMiB: 12 },
      { name: 'firefox', pid: 7, residentMiB: 1433.6 },
    ];
    const full = guest({ memory: { totalMiB: 4860, availableMiB: 1890, largest } });
    const error = refusal(() =>
      planMemory(context({ filling: big, guest: full, to: allocation({ memoryMiB: 1024 }) })),
    );
    expect(error.kind).toBe('does-not-fit');
    expect(error.message).toMatch(/into the mid: it uses 2970 MiB/);
    expect(error.message).toMatch(/gets 1024 MiB there; \d+ MiB are missing/);
    expect(error.message).toMatch(/Largest: firefox 1434 MiB, small 12 MiB\./);
    const detail = error.detail as { floorMiB: number; missingMiB: number; targetMiB: number };
    expect(detail).toMatchObject({ resource: 'memory', usedMiB: 2970, targetMiB: 1024, largest });
    expect(detail.missingMiB).toBe(detail.floorMiB - 1024);
  });

  it('asks for more headroom from a guest that is short of memory already', () => {
    const input = {
      currentMiB: 4914,
      baseMiB: 512,
      targetMiB: 768,
      unpluggedMiB: 4146,
      margin: defaultMemoryMargin,
    };
    const at = (pressureSomeAvg10: number | undefined) =>
      computeFloor({ ...input, guest: guest({ memory: { pressureSomeAvg10 } }) }).headroomMiB;
    expect([at(undefined), at(0), at(15), at(70)]).toEqual([77, 77, 154, 307]);
  });

  it('shrinks before the move, grows after it, in whole blocks', () => {
    const [shrink] = planMemory(context({ filling: big, to: allocation({ memoryMiB: 769 }) }));
    expect(shrink).toMatchObject({ when: 'before-move', text: 'shrink memory from 4914 to 768 MiB' });
    expect(shrink?.change).toEqual({ action: 'shrink', memoryMiB: 768, hostMiB: 1024 });
    const [grow] = planMemory(context({ to: allocation({ memoryMiB: 4914 }) }));
    expect(grow).toMatchObject({ when: 'after-move', text: 'grow memory from 768 to 4914 MiB' });
    expect(grow?.change).toEqual({ action: 'grow', memoryMiB: 4914, availableMiB: 460 });
  });

  it('does not take plugged memory that is not online for memory that the kernel keeps', () => {
    const floorWith = (totalMiB: number) =>
      computeFloor({
        guest: guest({ memory: { totalMiB, availableMiB: totalMiB - 200 } }),
        currentMiB: 4914,
        baseMiB: 512,
        targetMiB: 768,
        unpluggedMiB: 4146,
        margin: defaultMemoryMargin,
      }).kernelMiB;
    expect(floorWith(4914 - 48)).toBe(48);
    expect(floorWith(4914 - 200)).toBe(200);
    expect(floorWith(470)).toBe(80);
  });

  it('goes on without an agent: nobody knows what the guest uses', () => {
    const steps = planMemory(context({ filling: big, guest: undefined, to: allocation({ memoryMiB: 768 }) }));
    expect(steps).toHaveLength(1);
  });

  it('never plans below what is in use plus headroom, and never refuses what has room', () => {
    const numbers = fc.record({
      plugged: fc.integer({ min: 0, max: 4096 }).map((mib) => mib * 2),
      target: fc.integer({ min: 128, max: 10_000 }),
      usedShare: fc.double({ min: 0.05, max: 0.99, noNaN: true }),
      pressure: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(numbers, ({ plugged, target, usedShare, pressure }) => {
        const totalMiB = 512 + plugged - 40;
        const usedMiB = totalMiB * usedShare;
        const state = guest({
          memory: { totalMiB, availableMiB: totalMiB - usedMiB, pressureSomeAvg10: pressure },
        });
        const now = context({
          filling: { pluggedVcpus: [], requestedPluggedMemoryMiB: plugged },
          guest: state,
          to: allocation({ memoryMiB: target }),
          target: host(),
        });
        let steps: ReturnType<typeof planMemory>;
        try {
          steps = planMemory(now);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'does-not-fit' });
          expect(target).toBeLessThan(usedMiB + 40 + Math.max(64, target * 0.1) * 4 + 3);
          return;
        }
        for (const step of steps) {
          const change = MemoryChange.parse(step.change);
          if (change.action !== 'shrink') continue;
          expect(change.memoryMiB).toBeGreaterThan(usedMiB - plugged / 64 + 64);
          expect(change.memoryMiB).toBeLessThan(512 + plugged);
          expect(change.memoryMiB % 2).toBe(0);
        }
      }),
    );
  });
});

describe('growing in steps', () => {
  it('costs no step more than a quarter of what is available, unless even one block does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4000 }),
        fc.integer({ min: 1, max: 16_000 }),
        fc.option(fc.double({ min: 0, max: 4000, noNaN: true }), { nil: undefined }),
        (plugged, more, available) => {
          const next = nextPluggedMiB(plugged, plugged + more, available);
          expect(next).toBeGreaterThan(plugged);
          expect(next).toBeLessThanOrEqual(plugged + more);
          const step = next - plugged;
          if (step > 128) expect(step / 64).toBeLessThanOrEqual((available ?? 16) / 4);
        },
      ),
    );
  });

  it('gives a guest that is nearly full one block at first', () => {
    expect(nextPluggedMiB(0, 4096, 3)).toBe(128);
    expect(nextPluggedMiB(0, 4096, 460)).toBe(4096);
  });
});

describe('verifying memory', () => {
  const verify = (asked: number, totalMiB: number) =>
    verifyMemory(allocation({ memoryMiB: asked }), guest({ memory: { totalMiB, availableMiB: 100 } }));

  it('says what is missing and what is too much', () => {
    expect(verify(4914, 720)).toMatchObject([
      { requested: '4914 MiB', actual: '720 MiB (MemTotal)', reason: expect.stringMatching(/not taken all/) },
    ]);
    expect(verify(768, 4860)[0]?.reason).toMatch(/not given back/);
  });

  it('knows that a kernel keeps some for itself', () => {
    expect(verify(768, 722)).toEqual([]);
    expect(verify(4914, 4866)).toEqual([]);
  });
});
