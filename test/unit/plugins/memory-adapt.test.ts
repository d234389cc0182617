import { describe, expect, it } from 'vitest';
import { memoryPlugin } from '../../../host-plugins/memory/memory-plugin.ts';
import type { MemoryChange } from '../../../host-plugins/memory/plan.ts';
import type { MemoryTiming } from '../../../host-plugins/memory/timing.ts';
import type { PlanStep } from '../../../protocol/plan.ts';
import { type Behaviour, PretendedMachine } from './pretended-machine.ts';

const timing: MemoryTiming = {
  shrink: { pollMs: 1, stallMs: 15 },
  grow: { pollMs: 1, stallMs: 15 },
  balloon: { pollMs: 1, stallMs: 15 },
  agentMs: 1_000,
  guardMs: 2,
};
const plugin = memoryPlugin(timing);
const soon = () => AbortSignal.timeout(5_000);

function step(change: MemoryChange): PlanStep {
  return {
    resource: 'memory',
    when: change.action === 'shrink' ? 'before-move' : 'after-move',
    text: '',
    change,
  };
}

function shrink(machine: PretendedMachine, memoryMiB: number, hostMiB = 1024, signal = soon()) {
  return plugin.adapt(step({ action: 'shrink', memoryMiB, hostMiB }), machine, () => {}, signal);
}

function grow(machine: PretendedMachine, memoryMiB: number, availableMiB: number | undefined = 300) {
  const change: MemoryChange = { action: 'grow', memoryMiB, availableMiB };
  return plugin.adapt(step(change), machine, () => {}, soon());
}

function machine(pluggedMiB: number, behaviour?: Behaviour): PretendedMachine {
  return new PretendedMachine(pluggedMiB, behaviour);
}

describe('shrinking memory', () => {
  it('gives everything back and refuses when neither way reaches the size', async () => {
    const guest = machine(4402, { stuckAtMiB: 1000, usedMiB: 900 });
    await expect(shrink(guest, 768)).rejects.toMatchObject({
      kind: 'does-not-fit',
      message: expect.stringMatching(/shrunk to 768 MiB: 744 MiB would not leave .*only 612 MiB available/),
      detail: { missingMiB: 744, reachedMiB: 1512 },
    });
    expect([guest.sizeMiB, guest.requestedMiB, guest.balloonMiB]).toEqual([4402, 4402, 0]);
    expect(guest.log).not.toContain('balloon 744');
  });

  it('does so too when the balloon stops half way', async () => {
    const guest = machine(4402, { stuckAtMiB: 300, balloonUpToMiB: 10 });
    await expect(shrink(guest, 768)).rejects.toMatchObject({ kind: 'does-not-fit' });
    expect([guest.sizeMiB, guest.balloonMiB]).toEqual([4402, 0]);
  });

  it('stops when the guest begins to need its memory, and gives it back', async () => {
    const guest = machine(4402, { stepMiB: 10 });
    guest.usedMiB = 1000;
    const pending = shrink(guest, 768);
    await expect(pending).rejects.toMatchObject({
      kind: 'does-not-fit',
      message: expect.stringMatching(/began to use more memory/),
    });
    expect(guest.requestedMiB).toBe(4402);
  });

  it('gives everything back when it is cancelled', async () => {
    const guest = machine(4402, { stepMiB: 1 });
    const controller = new AbortController();
    const pending = shrink(guest, 768, 1024, controller.signal);
    setTimeout(() => controller.abort(new Error('no')), 20);
    await expect(pending).rejects.toThrow();
    expect([guest.sizeMiB, guest.requestedMiB]).toEqual([4402, 4402]);
  });

  it('waits as long as it goes on, however slowly', async () => {
    const guest = machine(1000, { stepMiB: 8 });
    const { shortfalls } = await shrink(guest, 768);
    expect(shortfalls).toEqual([]);
    expect([guest.sizeMiB, guest.requestedMiB]).toEqual([256, 256]);
  });

  it('has the guest release memory once more before it turns to the balloon', async () => {
    const guest = machine(4402, { stuckAtMiB: 300, looseAfterReleases: 2 });
    const { shortfalls } = await shrink(guest, 768);
    expect(shortfalls).toEqual([]);
    expect(guest.sizeMiB).toBe(256);
    expect(guest.log.filter((line) => line.startsWith('balloon'))).toEqual([]);
  });

  it('puts into the balloon what does not leave, after the request has ended', async () => {
    const guest = machine(4402, { stuckAtMiB: 300 });
    const { shortfalls, undo } = await shrink(guest, 768);
    expect(shortfalls).toEqual([]);
    expect([guest.sizeMiB, guest.requestedMiB, guest.balloonMiB]).toEqual([300, 300, 44]);
    expect(guest.log.indexOf('request 300')).toBeLessThan(guest.log.indexOf('balloon 44'));
    await undo(soon());
    expect([guest.sizeMiB, guest.requestedMiB, guest.balloonMiB]).toEqual([4402, 4402, 0]);
  });

  it('says when the balloon is only lent', async () => {
    const { shortfalls } = await shrink(machine(4402, { stuckAtMiB: 300, deflateOnOom: true }), 768);
    expect(shortfalls).toMatchObject([
      { actual: '768 MiB', reason: expect.stringMatching(/may take 44 MiB back/) },
    ]);
  });

  it('works without a balloon device when nothing is stuck', async () => {
    expect((await shrink(machine(4402, { withoutBalloon: true }), 768)).shortfalls).toEqual([]);
  });

  it('lets a guest without agent through with more, if the host it goes to can hold it', async () => {
    const guest = machine(4402, { stuckAtMiB: 400, withoutAgent: true });
    const { shortfalls } = await shrink(guest, 768, 1024);
    expect(shortfalls).toMatchObject([{ requested: '768 MiB', actual: '912 MiB' }]);
    expect(guest.requestedMiB).toBe(400);
    await expect(
      shrink(machine(4402, { stuckAtMiB: 800, withoutAgent: true }), 768, 1024),
    ).rejects.toMatchObject({
      kind: 'does-not-fit',
    });
  });
});

describe('growing memory', () => {
  it('withdraws what the guest does not take, and says so', async () => {
    const guest = machine(256, { plugUpToMiB: 1000 });
    const { shortfalls } = await grow(guest, 4914);
    expect(shortfalls).toMatchObject([{ requested: '4914 MiB', actual: '1512 MiB plugged' }]);
    expect([guest.sizeMiB, guest.requestedMiB]).toEqual([1000, 1000]);
  });

  it('stops when the guest does not bring the memory online', async () => {
    const guest = machine(256, { onlines: false });
    const { shortfalls } = await grow(guest, 4914, 20);
    expect(shortfalls[0]?.reason).toMatch(/did not bring the new memory online/);
    expect(guest.sizeMiB).toBeLessThan(1000);
  });

  it('says that it could not look without an agent', async () => {
    const guest = machine(256, { withoutAgent: true });
    const { shortfalls } = await grow(guest, 4914, undefined);
    expect(guest.sizeMiB).toBe(4402);
    expect(shortfalls[0]?.reason).toMatch(/could not be checked/);
  });

  it('lets the balloon go before it plugs anything', async () => {
    const guest = machine(300);
    guest.balloonMiB = 44;
    guest.balloonGoalMiB = 44;
    const { shortfalls } = await grow(guest, 4914);
    expect(shortfalls).toEqual([]);
    expect([guest.sizeMiB, guest.balloonMiB]).toEqual([4402, 0]);
    expect(guest.log.indexOf('balloon 0')).toBeLessThan(guest.log.indexOf('request 4402'));
  });

  it('takes small steps first in a guest that is nearly full', async () => {
    const guest = machine(256);
    await grow(guest, 4914, 6);
    const requests = guest.log
      .filter((line) => line.startsWith('request'))
      .map((line) => Number(line.split(' ')[1]));
    expect(requests[0]).toBe(384);
    expect(requests.at(-1)).toBe(4402);
    expect(requests.length).toBeGreaterThan(2);
  });

  it('undoes a growth', async () => {
    const guest = machine(256);
    const { undo } = await grow(guest, 4914);
    await undo(soon());
    expect([guest.sizeMiB, guest.requestedMiB]).toEqual([256, 256]);
  });
});
