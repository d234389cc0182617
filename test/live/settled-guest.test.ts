import { describe, expect, it } from 'vitest';
import { provideGuestWithAgent } from '../lab/lab.ts';
import { labAddresses } from '../lab/network/address-plan.ts';
import { GapProbe } from '../lab/network/gap-probe.ts';
import { LabNetwork } from '../lab/network/lab-network.ts';
import { SettledGuest } from '../lab/state/settled-guest.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);

describe('the settled guest', { timeout: 10 * 60_000 }, () => {
  it('comes back from its file with every page of memory and every record on the disk as they were', async () => {
    // It boots once where the cache has no such guest yet.
    const { settled } = await provideGuestWithAgent(() => undefined, within(9 * 60_000));
    await using network = await LabNetwork.create({ emulator: settled.emulator }, within(10_000));
    const inside = await network.pc.run(['qemu-system-x86_64', '--version'], within(10_000));
    expect(inside).toBe(settled.emulator.version);
    await using _guest = await SettledGuest.start(settled, network.pc, within(30_000));

    await using probe = await GapProbe.start(network.client, labAddresses.workspace, within(10_000));
    await using watch = await VerifyWatch.open(network.client, labAddresses.workspace, 250, within(20_000));
    const before = watch.latest;
    expect(before.memory.passes).toBeGreaterThan(0);
    expect(before.disk.records).toBeGreaterThan(0);

    const report = await watch.verdict(within(60_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.disk.firstProblem).toBeUndefined();
    expect(report.verdict).toBe('intact');
    // It was the load that had run before it was saved, and it goes on.
    expect(report.run).toBe(before.run);
    expect(report.memory.checkedPages - before.memory.checkedPages).toBeGreaterThanOrEqual(16_384);
    expect(report.disk.records).toBeGreaterThan(before.disk.records);
    expect(probe.measure().replies).toBeGreaterThan(0);
  });
});
