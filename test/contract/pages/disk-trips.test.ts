import { describe, expect, it } from 'vitest';
import type { LabHost } from '../../lab/lab-host.ts';
import { BlankVm, filledPages, firstPage, referenced, tripLimitMs } from './blank-vm.ts';
import { randomPage } from './keeping-fixture.ts';

describe('a VM whose disk stands on an image that the other device has', { timeout: tripLimitMs }, () => {
  it('goes without the pages that are blocks of it, also for the first time', async () => {
    const blocks = Array.from({ length: 3000 }, (_, block) => randomPage(200_000 + block));
    await using vm = await BlankVm.start(Buffer.concat(blocks));
    vm.tellOnFailure();
    // As of a page cache: blocks of the disk, somewhere in memory.
    await vm.write(vm.mid, new Map(blocks.map((block, at) => [firstPage + filledPages + at, block])));
    const listed = ({ log }: LabHost) =>
      log.some((line) => line.includes('the blocks of a base image are listed'));
    await expect.poll(() => listed(vm.mid) && listed(vm.pc), { timeout: 60_000, interval: 200 }).toBe(true);
    const docked = await vm.dock();
    await vm.expectIntact(vm.pc);
    expect(docked.pages.new).toBeGreaterThanOrEqual(filledPages);
    expect(docked.pages.new).toBeLessThan(filledPages + blocks.length / 2);
    expect(referenced(docked, 'disk')).toBeGreaterThan(blocks.length * 0.95);
  });
});
