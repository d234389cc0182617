import { describe, expect, it } from 'vitest';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { askPeer } from '../lab/traffic/ask-peer.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);

describe('a guest whose agent does not run', () => {
  it('moves all the same, with its memory and its connection, and what could not be adapted is said', async () => {
    const guest = await provideGuestWithAgent(() => undefined, within(14 * 60_000));
    await using lab = await Lab.start(
      guest,
      { link: 'unshaped', pc: 'small-pc', progress: () => undefined },
      within(120_000),
    );
    await using load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(60_000));
    const { run } = load.latest;
    await askPeer(lab.network.client, lab.guestAddress, { kind: 'stop-agent' }, within(60_000));

    const docked = await lab.mid.trip(['dock', 'pc'], () => undefined, within(180_000));
    expect(docked.guest.after).toBeNull();
    expect(docked.shortfalls).toContainEqual(
      expect.objectContaining({ resource: 'agent', reason: expect.stringContaining('wireless-dock-agent') }),
    );
    await load.nextReport(within(60_000));

    const undocked = await lab.mid.trip(['undock'], () => undefined, within(240_000));
    expect(undocked).toMatchObject({ kind: 'undock', from: 'pc', to: 'mid' });
    const report = await load.verdict(within(120_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.verdict).toBe('intact');
    expect(report.run).toBe(run);
  });
});
