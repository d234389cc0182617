import { describe, expect, it } from 'vitest';
import type { ResourcePlugin } from '../../../host-plugins/contract/resource-plugin.ts';
import type { AdaptOptions } from '../../../host-plugins/pipeline/adapt-here.ts';
import { Readiness } from '../../../host-plugins/pipeline/readiness.ts';
import type { PlanStep } from '../../../protocol/plan.ts';

const signal = AbortSignal.timeout(10_000);

/** A network whose steps note when they are done; `fail` names one that throws. */
function networkPlugin(done: string[], fail?: PlanStep['when']): ResourcePlugin {
  const step = (when: PlanStep['when']): PlanStep => ({
    resource: 'network',
    when,
    text: `the work of ${when}`,
    change: {},
  });
  return {
    resource: 'network',
    abilities: { hotplug: true, survivesMigration: true },
    discover: async () => ({ can: [], cannot: [] }),
    plan: () => [
      step('before-move'),
      step('on-arrival'),
      step('before-run'),
      step('on-run'),
      step('after-move'),
    ],
    adapt: async ({ when }) => {
      if (when === fail) throw new Error('the cable is out');
      done.push(when);
      return { undo: async () => {}, shortfalls: [] };
    },
    verify: () => [],
  };
}

const emptyVirtioMem = {
  id: 'vmem0',
  size: 0,
  'requested-size': 0,
  'max-size': 2 ** 30,
  'block-size': 2 ** 21,
};

/** What a plan asks of QEMU: an empty machine. */
function optionsWith(plugin: ResourcePlugin): AdaptOptions {
  const qmp = {
    execute: async (command: string) =>
      command === 'query-memory-devices' ? [{ type: 'virtio-mem', data: emptyVirtioMem }] : [],
    events: () => (async function* () {})(),
  };
  const discoverHost = async () => ({});
  return { epoch: 7, plugins: [plugin], machine: { qmp }, discoverHost } as unknown as AdaptOptions;
}

describe('what a host readies for a VM that comes', () => {
  it('is a shortfall, and no error, where it cannot be laid', async () => {
    const done: string[] = [];
    const readiness = await Readiness.lay(optionsWith(networkPlugin(done, 'on-arrival')), signal);
    await readiness.show();
    expect(done).toEqual(['before-run']);
    expect(await readiness.shortfalls()).toEqual([
      {
        resource: 'network',
        requested: 'the work of on-arrival',
        actual: 'not done',
        reason: 'the cable is out',
      },
    ]);
  });

  it('tells the network only when the VM runs, and the guest not at all', async () => {
    const done: string[] = [];
    const readiness = await Readiness.lay(optionsWith(networkPlugin(done)), signal);
    expect(done).toEqual(['on-arrival']);
    await readiness.show();
    expect(done).toEqual(['on-arrival', 'before-run']);
    readiness.announce();
    expect(await readiness.shortfalls()).toEqual([]);
    expect(done).toEqual(['on-arrival', 'before-run', 'on-run']);
  });

  it('is done once, whoever asks', async () => {
    const done: string[] = [];
    const readiness = await Readiness.lay(optionsWith(networkPlugin(done)), signal);
    await Promise.all([readiness.show(), readiness.show()]);
    readiness.announce();
    readiness.announce();
    await readiness.shortfalls();
    expect(done).toEqual(['on-arrival', 'before-run', 'on-run']);
  });

  it('leaves every step to see, for the adapting that follows', async () => {
    const readiness = await Readiness.lay(optionsWith(networkPlugin([])), signal);
    expect(readiness.epoch).toBe(7);
    expect(readiness.steps.map(({ when }) => when)).toEqual([
      'on-arrival',
      'before-run',
      'on-run',
      'after-move',
    ]);
  });
});
