import { describe, expect, it } from 'vitest';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const silent = () => undefined;

describe('a guest that has read all of its files', () => {
  it('drops what it does not use before it goes over a slow link, and goes on intact', async () => {
    const guest = await provideGuestWithAgent(silent, within(14 * 60_000));
    await using lab = await Lab.start(
      guest,
      { link: 'wifi70', pc: 'small-pc', progress: silent },
      within(120_000),
    );
    await using load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(60_000));
    const { run } = load.latest;
    await load.load('page-cache', 1, within(60_000));
    await load.reportWhere((report) => report.load?.finished === true, within(600_000));

    const notes: string[] = [];
    const docked = await lab.mid.trip(
      ['dock', 'pc'],
      (event: ProgressEvent) => {
        if (event.kind === 'note') notes.push(event.text);
      },
      within(300_000),
    );
    // What was read once and never again; the guest has 701 MiB on the MID.
    expect(docked.trimmedCacheMiB).toBeGreaterThan(64);
    expect(notes).toContainEqual(expect.stringMatching(/dropped \d+ MiB of its page cache .* are cold/));
    const report = await load.verdict(within(120_000));
    expect(report).toMatchObject({ verdict: 'intact', run });
  });
});
