import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planVcpu, VcpuChange } from '../../../host-plugins/vcpu/plan.ts';
import { verifyVcpu } from '../../../host-plugins/vcpu/verify.ts';
import { allocation, context, contract, guest } from './samples.ts';

const filling = (plugged: number) => ({
  pluggedVcpus: Array.from({ length: plugged - 1 }, (_, at) => at + 1),
  requestedPluggedMemoryMiB: 0,
});

describe('planning vCPUs', () => {
  it('plans no more than the machine has room for', () => {
    const steps = planVcpu(context({ contract: contract({ maxVcpus: 2 }), to: allocation({ vcpus: 64 }) }));
    expect(steps.map((step) => VcpuChange.parse(step.change))).toEqual([{ action: 'grow', vcpus: 2 }]);
  });

  it('shrinks before the move and grows after it', () => {
    const guestOf = (online: number) => guest({ vcpus: { online, present: online } });
    const shrink = planVcpu(
      context({ filling: filling(4), guest: guestOf(4), to: allocation({ vcpus: 1 }) }),
    );
    expect(shrink.map((step) => [step.when, step.text])).toEqual([['before-move', 'unplug 3 vCPUs']]);
    const grow = planVcpu(context({ filling: filling(1), to: allocation({ vcpus: 4 }) }));
    expect(grow.map((step) => [step.when, step.text])).toEqual([['after-move', 'plug 3 vCPUs, to 4']]);
  });

  it('uses vCPUs that stayed plugged and offline again', () => {
    const left = guest({ vcpus: { online: 1, present: 4 } });
    const steps = planVcpu(context({ filling: filling(4), guest: left, to: allocation({ vcpus: 4 }) }));
    expect(steps.map((step) => step.text)).toEqual(['bring 4 vCPUs online']);
  });

  it('plans nothing where nothing differs', () => {
    expect(planVcpu(context({ to: allocation({ vcpus: 1 }) }))).toEqual([]);
  });

  it('never plans an impossible number, whatever is plugged, online and wished', () => {
    const numbers = fc.record({
      most: fc.integer({ min: 1, max: 64 }),
      plugged: fc.integer({ min: 1, max: 64 }),
      online: fc.integer({ min: 1, max: 64 }),
      wished: fc.integer({ min: 1, max: 1024 }),
    });
    fc.assert(
      fc.property(numbers, ({ most, plugged, online, wished }) => {
        const now = Math.min(plugged, most);
        const steps = planVcpu(
          context({
            contract: contract({ maxVcpus: most }),
            filling: filling(now),
            guest: guest({ vcpus: { online: Math.min(online, now), present: now } }),
            to: allocation({ vcpus: wished }),
          }),
        );
        for (const step of steps) {
          const { action, vcpus } = VcpuChange.parse(step.change);
          expect(vcpus).toBeGreaterThanOrEqual(1);
          expect(vcpus).toBeLessThanOrEqual(most);
          expect(step.when).toBe(action === 'shrink' ? 'before-move' : 'after-move');
          if (action === 'shrink') expect(vcpus).toBeLessThan(now);
        }
      }),
    );
  });
});

describe('verifying vCPUs', () => {
  it('says how many are online of how many plugged, and whose fault it is', () => {
    const of = (online: number, present: number) =>
      verifyVcpu(allocation({ vcpus: 4 }), guest({ vcpus: { online, present } }))[0];
    expect(of(1, 4)).toMatchObject({ requested: '4 vCPUs', actual: '1 vCPU online of 4 plugged' });
    expect(of(1, 4)?.reason).toMatch(/did not bring them online/);
    expect(of(2, 2)?.reason).toMatch(/not all of them were plugged/);
    expect(of(6, 6)?.reason).toMatch(/did not take the others offline/);
  });

  it('is content with the right number', () => {
    expect(verifyVcpu(allocation({ vcpus: 4 }), guest({ vcpus: { online: 4, present: 4 } }))).toEqual([]);
  });
});
