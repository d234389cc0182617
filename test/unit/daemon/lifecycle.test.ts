import { describe, expect, it } from 'vitest';
import { Lifecycle, type Service, type ServiceStage } from '../../../host-plugins/daemon/lifecycle.ts';

const idle = () => new AbortController().signal;

function services(...specs: [name: string, stage: ServiceStage, failsAt?: 'start' | 'stop'][]) {
  const happened: string[] = [];
  const list = specs.map(
    ([name, stage, failsAt]): Service => ({
      name,
      stage,
      start: async () => {
        happened.push(`start ${name}`);
        if (failsAt === 'start') throw new Error(`${name} does not start`);
      },
      stop: async () => {
        happened.push(`stop ${name}`);
        if (failsAt === 'stop') throw new Error(`${name} does not stop`);
      },
    }),
  );
  const failed: string[] = [];
  const lifecycle = new Lifecycle(list, (service, error) => failed.push(`${service}: ${error.message}`));
  return { lifecycle, happened, failed };
}

describe('services', () => {
  it('are stopped again when a later one does not start, that one too, and the reason is thrown', async () => {
    const { lifecycle, happened } = services(['a', 'prepare'], ['b', 'listen', 'start'], ['c', 'run']);
    await expect(lifecycle.start(idle())).rejects.toThrow('b does not start');
    expect(happened).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('are stopped all, also when one of them fails to', async () => {
    const { lifecycle, happened, failed } = services(['a', 'prepare'], ['b', 'listen', 'stop'], ['c', 'run']);
    await lifecycle.start(idle());
    await lifecycle.stop();
    expect(happened.slice(3)).toEqual(['stop c', 'stop b', 'stop a']);
    expect(failed).toEqual(['b: b does not stop']);
  });

  it('are not started any more once the start was interrupted', async () => {
    const { lifecycle, happened } = services(['a', 'prepare']);
    await expect(lifecycle.start(AbortSignal.abort())).rejects.toThrow();
    expect(happened).toEqual([]);
  });

  it('start by stage, in a stage as they were bound, and stop in reverse', async () => {
    const { lifecycle, happened } = services(
      ['d', 'run'],
      ['b', 'listen'],
      ['c', 'listen'],
      ['a', 'prepare'],
    );
    await lifecycle.start(idle());
    await lifecycle.stop();
    expect(happened).toEqual([
      ...['a', 'b', 'c', 'd'].map((name) => `start ${name}`),
      ...['d', 'c', 'b', 'a'].map((name) => `stop ${name}`),
    ]);
  });

  it('are stopped once', async () => {
    const { lifecycle, happened } = services(['a', 'prepare']);
    await lifecycle.start(idle());
    await lifecycle.stop();
    await lifecycle.stop();
    expect(happened).toEqual(['start a', 'stop a']);
  });
});
