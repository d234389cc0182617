import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { LabHost } from '../../lab/lab-host.ts';
import { BlankVm, filledPages, firstPage, referenced, tripLimitMs, within } from './blank-vm.ts';
import { randomPage } from './keeping-fixture.ts';

const Line = z.object({ msg: z.string(), digest: z.string().optional() });

/** One life of one VM; each test begins where the one before ended. */
describe('a VM whose memory is kept where it left', { timeout: tripLimitMs }, () => {
  let vm: BlankVm;

  beforeAll(async () => {
    vm = await BlankVm.start();
  }, 240_000);

  afterAll(async () => {
    await vm?.[Symbol.asyncDispose]();
  });

  /** The lists that both devices have made of a trip, as their logs tell of them. */
  async function expectSameList(from: LabHost, to: LabHost, trip: number): Promise<void> {
    const told = ({ log }: LabHost, what: string) =>
      log.map((line) => Line.safeParse(parseJson(line)).data).filter((line) => line?.msg === what);
    const kept = () => told(from, 'the memory of the VM that has left is kept');
    const noted = () => told(to, 'what stays elsewhere is noted');
    await expect
      .poll(() => [kept().length, noted().length], { timeout: 60_000, interval: 200 })
      .toEqual([trip, trip]);
    expect(kept().at(-1)?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(noted().at(-1)?.digest).toBe(kept().at(-1)?.digest);
  }

  it('goes for the first time with nothing known, and both devices note the same list of what stays', async () => {
    vm.tellOnFailure();
    const first = await vm.dock();
    expect(referenced(first, 'kept')).toBe(0);
    expect(first.pages.new).toBeGreaterThanOrEqual(filledPages);
    await vm.expectIntact(vm.pc);
    await expectSameList(vm.mid, vm.pc, 1);
    expect(await vm.keptOn(vm.mid)).toMatchObject({ at: expect.any(Number), bytes: expect.any(Number) });
  });

  it('comes back by the names of its pages, but for those that are new, and is the same', async () => {
    vm.tellOnFailure();
    const fresh = Array.from(
      { length: 100 },
      (_, page) => [firstPage + page * 3, randomPage(50_000 + page)] as const,
    );
    await vm.write(vm.pc, new Map(fresh));
    const back = await vm.undock();
    expect(referenced(back, 'kept')).toBeGreaterThanOrEqual(filledPages - 100);
    expect(back.pages.new).toBeGreaterThanOrEqual(100);
    expect(back.wireBytes).toBeLessThan(filledPages * 4096 * 0.2);
    await vm.expectIntact(vm.mid);
    await expectSameList(vm.pc, vm.mid, 1);
  });

  it('goes again by what the other device has kept', async () => {
    vm.tellOnFailure();
    expect(referenced(await vm.dock(), 'kept')).toBeGreaterThanOrEqual(filledPages);
    await vm.expectIntact(vm.pc);
    await expectSameList(vm.mid, vm.pc, 2);
  });

  it('is the same when what was kept is damaged, by a longer way', async () => {
    vm.tellOnFailure();
    const folder = join(vm.mid.folder, 'state/workspaces', vm.name, 'kept-memory/here');
    for (const file of await readdir(folder)) {
      if (file === 'image') continue;
      const content = await readFile(join(folder, file));
      content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
      await writeFile(join(folder, file), content);
    }
    const back = await vm.undock();
    expect(back.wireBytes).toBeGreaterThan(filledPages * 4096 * 0.9);
    await vm.expectIntact(vm.mid);
    await expectSameList(vm.pc, vm.mid, 2);
  });

  it('comes back by a longer way when what was kept is removed', async () => {
    vm.tellOnFailure();
    await vm.dock();
    await expectSameList(vm.mid, vm.pc, 3);
    await vm.mid.wdock(['workspace', 'forget-memory', vm.name], within(20_000));
    expect(await vm.keptOn(vm.mid)).toBeUndefined();
    expect(referenced(await vm.undock(), 'kept')).toBe(0);
    await vm.expectIntact(vm.mid);
    await expectSameList(vm.pc, vm.mid, 3);
  });

  it('leaves nothing of it when its home is forgotten', async () => {
    vm.tellOnFailure();
    expect(await vm.keptOn(vm.pc)).toMatchObject({ at: expect.any(Number) });
    await vm.pc.wdock(['devices', 'forget', 'mid'], within(20_000));
    await expect.poll(() => vm.keptOn(vm.pc), { timeout: 30_000 }).toBeUndefined();
  });

  it('leaves nothing of it when it is removed', async () => {
    vm.tellOnFailure();
    await vm.mid.wdock(['workspace', 'stop', vm.name, '--force'], within(60_000));
    await vm.mid.wdock(['workspace', 'remove', vm.name, '--yes'], within(60_000));
    expect(await readdir(join(vm.mid.folder, 'state/workspaces'))).toEqual([]);
  });
});

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
