import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { askQemu } from '../../../host-plugins/cpu-model/ask-qemu.ts';
import { chooseCpuModel, gives } from '../../../host-plugins/cpu-model/choose-model.ts';
import { ladderModels, modelWords } from '../../../host-plugins/cpu-model/ladder.ts';
import { OwnCpu } from '../../../host-plugins/cpu-model/own-cpu.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import { machineType } from '../../../host-plugins/workspace/typical-contract.ts';
import { DockError } from '../../../protocol/dock-error.ts';

vi.setConfig({ testTimeout: 60_000 }); // QEMU is started, on a machine that may be busy

const never = new AbortController().signal;
const probe = ['qemu-system-x86_64', '-no-user-config', '-nodefaults', '-display', 'none'];

/** The features of each model as QEMU defines it, whether this host has them or not. */
async function definitions(models: readonly string[]): Promise<Map<unknown, Record<string, unknown>>> {
  const commands = [
    { execute: 'qmp_capabilities' },
    ...models.map((name) => ({
      execute: 'query-cpu-model-expansion',
      arguments: { type: 'full', model: { name } },
      id: name,
    })),
    { execute: 'quit' },
  ];
  const { stdout } = await run([...probe, '-machine', 'none', '-accel', 'tcg', '-qmp', 'stdio'], {
    input: commands.map((command) => `${JSON.stringify(command)}\n`).join(''),
    timeoutMs: 30_000,
    signal: never,
  });
  const Reply = z.object({
    id: z.string(),
    return: z.object({ model: z.object({ props: z.record(z.string(), z.unknown()) }) }),
  });
  return new Map(
    stdout.split('\n').flatMap((line) => {
      const reply = line === '' ? undefined : Reply.safeParse(JSON.parse(line)).data;
      return reply === undefined ? [] : [[reply.id, reply.return.model.props] as const];
    }),
  );
}

describe('the real QEMU, emulating', () => {
  it('is refused by its own word for each model that it is said not to give, and starts with each that it is', async () => {
    const { missing } = await askQemu('tcg', never);
    const models = ladderModels.filter((model) => missing.has(model));
    const outcomes = await Promise.all(
      models.map(async (model) => {
        const { stderr, stdout } = await run(
          [
            ...[...probe, '-machine', machineType, '-accel', 'tcg', '-m', '128', '-S', '-monitor', 'stdio'],
            ...['-cpu', `${model},enforce=on,vmx=off,svm=off,hypervisor=off`],
          ],
          { input: 'quit\n', timeoutMs: 30_000, signal: never },
        ).catch((error: unknown) => ({
          stdout: '',
          stderr: String(DockError.from(error).detail?.['stderr']),
        }));
        return [model, stdout.includes('QEMU') && !stderr.includes('support requested')] as const;
      }),
    );
    expect(outcomes.filter(([, started]) => started).length).toBeGreaterThan(0);
    expect(outcomes).toEqual(models.map((model) => [model, missing.get(model)?.length === 0]));
  });

  it('defines every model that a workspace may get, with the features of its level', async () => {
    const defined = await definitions(ladderModels);
    const v2 = ['cx16', 'lahf-lm', 'popcnt', 'pni', 'sse4.1', 'sse4.2', 'ssse3'];
    const v3 = ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'];
    const v4 = ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'];
    for (const model of ladderModels) {
      const features = defined.get(model);
      expect(features, model).toBeDefined();
      const has = (names: readonly string[]) => names.every((name) => features?.[name] === true);
      const level = has(v4) ? 4 : has(v3) ? 3 : has(v2) ? 2 : 1;
      expect(modelWords(model)).toBe(`${model} (x86-64-v${level})`);
      expect(features?.['mpx'], model).toBe(false);
    }
  });
});

describe('what this device can', () => {
  it('is told with the models that were asked for, and without those that QEMU does not have', async () => {
    const own = new OwnCpu();
    const capability = await own.capability(['Nehalem-v1', 'EPYC-v1', 'Nehalem-v1', 'NoSuchModel-v1'], never);
    expect(capability.models.map(({ name }) => name)).toEqual(['Nehalem-v1', 'EPYC-v1']);
    expect(capability.machineTypes).toContain(machineType);
    expect(capability.qemuVersion).toMatch(/^\d+\.\d+\.\d+$/);
    const all = { device: 'this', capability: await own.capability(ladderModels, never) };
    expect(gives(all.capability, chooseCpuModel(all, []).model)).toBe(true);
  });

  it('is asked of QEMU once, and a caller that leaves does not end it for the others', async () => {
    const own = new OwnCpu();
    const left = own.capability([], AbortSignal.abort());
    const stays = own.capability([], never);
    await expect(left).rejects.toMatchObject({ kind: 'cancelled' });
    const first = await stays;
    const path = process.env['PATH'];
    try {
      // Without QEMU in reach of a second question, where the first answer is for the same file.
      expect(await own.capability([], never)).toEqual(first);
      process.env['PATH'] = '/nowhere';
      await expect(own.capability([], never)).rejects.toMatchObject({ kind: 'missing-dependency' });
    } finally {
      process.env['PATH'] = path;
    }
    expect(await own.capability([], never)).toEqual(first);
  });
});
