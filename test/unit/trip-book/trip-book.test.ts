import { describe, expect, it } from 'vitest';
import { TripBook } from '../../../host-plugins/trip-book/trip-book.ts';
import { tripPercent } from '../../../host-plugins/trip-book/trip-percent.ts';
import { type ProgressEvent, stageNames } from '../../../protocol/progress-event.ts';
import { docked } from '../cli/trip-outcome.ts';

const started = (workspace = 'work'): ProgressEvent => ({
  kind: 'trip-started',
  at: 1,
  trip: 'dock',
  workspace,
  from: 'mid',
  to: 'pc',
  simulated: false,
});
const failed = (kind: 'cancelled' | 'peer-gone'): ProgressEvent => ({
  kind: 'trip-failed',
  at: 2,
  error: { kind, message: 'why', detail: { some: 1 } },
  runsOn: 'mid',
});

describe('a trip', () => {
  it('of which nobody heard the beginning is none', () => {
    expect(new TripBook().hear('work', failed('peer-gone'))).toBeUndefined();
  });

  it('whose end nobody heard is dropped when the workspace moves again', () => {
    const book = new TripBook();
    const first = book.hear('work', started())?.after;
    expect(book.hear('work', started())?.dropped).toEqual([first]);
    expect(book.list()).toHaveLength(1);
  });

  it.each([
    ['cancelled', 'cancelled'],
    ['peer-gone', 'failed'],
  ] as const)('that ends with %s is %s, and says where the machine runs', (kind, state) => {
    const book = new TripBook();
    book.hear('work', started());
    expect(book.hear('work', failed(kind))?.after).toMatchObject({
      state,
      error: { kind, message: 'why' },
      runsOn: 'mid',
    });
    expect(book.running('work')).toBeUndefined();
  });

  it('that is done has its outcome, and all of its way behind it', () => {
    const book = new TripBook();
    book.hear('work', started());
    const done = book.hear('work', { kind: 'trip-done', at: 3, outcome: docked })?.after;
    expect(done).toMatchObject({ state: 'done', percent: 100, outcome: { to: 'pc' } });
  });

  it('never goes back', () => {
    const book = new TripBook();
    book.hear('work', started());
    const percent = (event: ProgressEvent) => book.hear('work', event)?.after.percent;
    const transfer = (fraction: number): ProgressEvent => ({
      kind: 'stage-progress',
      at: 2,
      stage: 'transfer',
      fraction,
      text: '',
    });
    expect(percent(transfer(0.5))).toBe(47);
    expect(percent(transfer(0.2))).toBe(47);
    expect(percent({ kind: 'stage-started', at: 2, stage: 'hand-over' })).toBe(80);
  });

  it('is kept for a while after its end, and each workspace has its own', () => {
    const book = new TripBook();
    book.hear('play', started('play'));
    const dropped = Array.from({ length: 10 }, () => {
      book.hear('work', started());
      return book.hear('work', failed('cancelled'))?.dropped.map(({ number }) => number);
    });
    expect(dropped.flat()).toEqual([2, 3]);
    expect(book.running('play')?.number).toBe(1);
  });
});

it('a trip is the further the later its stage is', () => {
  const all = stageNames.flatMap((stage) => [tripPercent(stage), tripPercent(stage, 1)]);
  expect(all).toEqual([...all].sort((left, right) => left - right));
  expect([all[0], all.at(-1)]).toEqual([0, 100]);
});
