import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VirtualMachine } from '../../../host-plugins/contract/virtual-machine.ts';
import { memoryPlugin } from '../../../host-plugins/memory/memory-plugin.ts';
import type { MemoryChange } from '../../../host-plugins/memory/plan.ts';
import type { MemoryTiming } from '../../../host-plugins/memory/timing.ts';
import { readFilling, readVcpuSlots, readVirtioMem } from '../../../host-plugins/qemu/read-filling.ts';
import { planStorage } from '../../../host-plugins/storage/plan.ts';
import { storagePlugin } from '../../../host-plugins/storage/storage-plugin.ts';
import type { VcpuChange } from '../../../host-plugins/vcpu/plan.ts';
import { vcpuPlugin } from '../../../host-plugins/vcpu/vcpu-plugin.ts';
import type { PlanStep } from '../../../protocol/plan.ts';
import { smallContract, soon, TestHost } from '../qemu/machine-fixture.ts';

// A real QEMU whose guest never runs: it plugs at once, and whatever needs the guest's help does not happen.
const eject = { pollMs: 50, stallMs: 500 };
const vcpus = vcpuPlugin({ eject, onlineMs: 500 });
const memoryTiming: MemoryTiming = { shrink: eject, grow: eject, balloon: eject, agentMs: 500, guardMs: 100 };
const memory = memoryPlugin(memoryTiming);

const cleanup = new AsyncDisposableStack();
let machine: VirtualMachine;

beforeAll(async () => {
  const host = cleanup.use(await TestHost.create());
  const contract = smallContract({ maxVcpus: 4 });
  const qemu = await host.startQemu(contract);
  machine = {
    name: 'test',
    contract,
    qmp: qemu.qmp,
    agent: undefined,
    display: { setUiInfo: async () => {} },
    tap: 'wd-test',
    guestAddresses: [],
  };
}, 60_000);

afterAll(async () => {
  await cleanup.disposeAsync();
});

const silent = () => {};

function vcpuStep(action: VcpuChange['action'], vcpus: number): PlanStep {
  return { resource: 'vcpu', when: 'after-move', text: '', change: { action, vcpus } };
}

function memoryStep(change: MemoryChange): PlanStep {
  return { resource: 'memory', when: 'after-move', text: '', change };
}

describe('the filling', () => {
  it('of a fresh machine is one vCPU and no plugged memory', async () => {
    expect(await readFilling(machine.qmp, soon())).toEqual({
      pluggedVcpus: [],
      requestedPluggedMemoryMiB: 0,
    });
  });

  it('has the slots in the order of their index, the boot CPU first', async () => {
    const slots = await readVcpuSlots(machine.qmp, soon());
    expect(slots.map((slot) => slot.index)).toEqual([0, 1, 2, 3]);
    expect(slots.map((slot) => slot.qomPath !== undefined)).toEqual([true, false, false, false]);
    expect(slots[1]?.driver).toBe('Nehalem-v1-x86_64-cpu');
  });
});

describe('vCPUs in a real QEMU', () => {
  it('are plugged slot by slot, and what needs the guest is said', async () => {
    const { shortfalls } = await vcpus.adapt(vcpuStep('grow', 3), machine, silent, soon());
    expect((await readFilling(machine.qmp, soon())).pluggedVcpus).toEqual([1, 2]);
    expect(shortfalls).toMatchObject([
      { actual: '3 vCPUs plugged', reason: expect.stringMatching(/no agent/) },
    ]);
  });

  it('are plugged as far as there is room', async () => {
    const { shortfalls } = await vcpus.adapt(vcpuStep('grow', 9), machine, silent, soon());
    expect((await readFilling(machine.qmp, soon())).pluggedVcpus).toEqual([1, 2, 3]);
    expect(shortfalls[0]).toMatchObject({
      requested: '9 vCPUs',
      reason: expect.stringMatching(/room for 4/),
    });
  });

  it('stay plugged when the guest does not eject them, and that is said within the time', async () => {
    const { shortfalls } = await vcpus.adapt(vcpuStep('shrink', 1), machine, silent, soon());
    expect((await readFilling(machine.qmp, soon())).pluggedVcpus).toEqual([1, 2, 3]);
    expect(shortfalls).toMatchObject([
      { requested: '1 vCPU', actual: 'vCPUs 1, 2, 3 stay plugged and travel along' },
    ]);
  });

  it('leave no half-done removal behind when it is cancelled', async () => {
    const aborted = AbortSignal.abort(new Error('cancelled'));
    await expect(vcpus.adapt(vcpuStep('shrink', 1), machine, silent, aborted)).rejects.toThrow();
    expect((await readFilling(machine.qmp, soon())).pluggedVcpus).toEqual([1, 2, 3]);
  });
});

describe('memory in a real QEMU', () => {
  it('is not counted as plugged before the guest took it, and the request is withdrawn', async () => {
    const change: MemoryChange = { action: 'grow', memoryMiB: 128 + 512 };
    const { shortfalls } = await memory.adapt(memoryStep(change), machine, silent, soon());
    expect(await readVirtioMem(machine.qmp, soon())).toMatchObject({
      sizeMiB: 0,
      requestedMiB: 0,
      maxMiB: 1024,
      blockMiB: 2,
    });
    expect(shortfalls).toMatchObject([
      { requested: '640 MiB', actual: '128 MiB plugged', reason: expect.stringMatching(/did not take/) },
    ]);
  });

  it('refuses to go below the boot memory of a guest that does not help, where the host has no room', async () => {
    const step = memoryStep({ action: 'shrink', memoryMiB: 64, hostMiB: 100 });
    await expect(memory.adapt(step, machine, silent, soon())).rejects.toMatchObject({
      kind: 'does-not-fit',
    });
    expect(await readVirtioMem(machine.qmp, soon())).toMatchObject({ sizeMiB: 0, requestedMiB: 0 });
  });
});

describe('the home disk in a real QEMU', () => {
  it('is reached', async () => {
    const [step] = planStorage();
    if (step === undefined) throw new Error('nothing planned');
    expect((await storagePlugin.adapt(step, machine, silent, soon())).shortfalls).toEqual([]);
  });
});
