import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { WarmUpOutcome } from '../../../protocol/control-methods.ts';
import { BlankVm, filledPages, firstPage, referenced, tripLimitMs, within } from './blank-vm.ts';
import { randomPage } from './keeping-fixture.ts';

const Answer = z.object({ warmUp: WarmUpOutcome });

/** One life of one VM; each test begins where the one before ended. */
describe('a VM whose memory was sent ahead', { timeout: tripLimitMs }, () => {
  let vm: BlankVm;

  beforeAll(async () => {
    vm = await BlankVm.start();
  }, 240_000);

  afterAll(async () => {
    await vm?.[Symbol.asyncDispose]();
  });

  const warmUp = async () => {
    const told = await vm.mid.wdock(['workspace', 'warm-up', vm.name, 'pc'], within(tripLimitMs));
    return Answer.parse(told).warmUp;
  };

  it('sends nothing to a device that is a kiosk for its user', async () => {
    await vm.mid.wdock(['devices', 'trust', 'pc', 'kiosk'], within(20_000));
    await expect(warmUp()).rejects.toThrow('kiosk');
    await vm.mid.wdock(['devices', 'trust', 'pc', 'owned'], within(20_000));
    await vm.pc.wdock(['devices', 'trust', 'mid', 'kiosk'], within(20_000));
    await expect(warmUp()).rejects.toThrow('takes no pages ahead');
    await vm.pc.wdock(['devices', 'trust', 'mid', 'owned'], within(20_000));
  });

  it('sends each page once, and then what has changed', async () => {
    vm.tellOnFailure();
    const first = await warmUp();
    expect(first.pages).toBeGreaterThanOrEqual(filledPages);
    expect(first.whole).toBe(true);
    const fresh = Array.from(
      { length: 50 },
      (_, page) => [firstPage + page * 5, randomPage(70_000 + page)] as const,
    );
    await vm.write(vm.mid, new Map(fresh));
    const second = await warmUp();
    expect(second.pages).toBeGreaterThanOrEqual(50);
    expect(second.pages).toBeLessThan(filledPages / 4);
    expect(second.known).toBeGreaterThanOrEqual(filledPages - 50);
  });

  it('docks by the names of these pages, is the same, and what was sent ahead is gone then', async () => {
    vm.tellOnFailure();
    const docked = await vm.dock();
    expect(referenced(docked, 'warm')).toBeGreaterThanOrEqual(filledPages);
    expect(docked.wireBytes).toBeLessThan(filledPages * 4096 * 0.2);
    await vm.expectIntact(vm.pc);
    const folder = join(vm.pc.folder, 'state/warm');
    const left = async () =>
      (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('image'));
    await expect.poll(left, { timeout: 30_000 }).toEqual([]);
  });
});
