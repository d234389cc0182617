import { describe, expect, it } from 'vitest';
import { StageClock } from '../../../host-plugins/pipeline/stage-clock.ts';
import { TransferProgress } from '../../../host-plugins/pipeline/transfer-progress.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';

const still = { wall: () => 0, monotonic: () => 0 };

describe('a stage of a trip', () => {
  it('that is over says nothing more, whether it was done or failed', async () => {
    const told: ProgressEvent[] = [];
    const stages = new StageClock((event) => told.push(event), still);
    let late: (text: string) => void = () => undefined;
    await stages.run('transfer', async (say) => {
      late = say;
      say('half of it');
    });
    late('the last state');
    expect(told.map(({ kind }) => kind)).toEqual(['stage-started', 'stage-progress', 'stage-done']);
    const failed = stages.run('hand-over', async (say) => {
      late = say;
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    late('still here');
    expect(told.map(({ kind }) => kind).slice(3)).toEqual(['stage-started']);
  });
});

describe('the share of the memory that is sent', () => {
  it('does not go back when the guest writes what has to be sent once more', () => {
    const shares: (number | undefined)[] = [];
    const transfer = new TransferProgress(
      (_text, share) => shares.push(share),
      () => 0,
    );
    for (const [transferredBytes, remainingBytes, pass] of [
      [0, 0, 0],
      [94, 6, 3],
      [95, 15, 4],
      [110, 0, 4],
    ] as const) {
      const progress = { transferredBytes, remainingBytes, pass, totalBytes: 100, dirtyBytesPerS: 0 };
      transfer.take({ kind: 'progress', progress });
    }
    expect(shares).toEqual([undefined, 0.94, 0.94, 1]);
  });
});
