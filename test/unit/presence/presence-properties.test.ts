import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { playTrace, type TimelineEntry } from '../../../host-plugins/presence/trace/play-trace.ts';
import { TraceDocument } from '../../../host-plugins/presence/trace/trace-document.ts';
import type { TriggerRules } from '../../../policies/choose/choose-triggers.ts';
import { rulesOf } from './load-trace.ts';

type Line = Record<string, unknown>;

const byItself = await rulesOf('by-itself');
const seconds = fc.integer({ min: 0, max: 3600 }).map((time) => `${time} s`);
const at = (event: fc.Arbitrary<Line>) =>
  fc.tuple(seconds, event).map(([time, line]) => ({ at: time, ...line }));

const signal = fc.integer({ min: -100, max: -30 });
const stretch = fc
  .tuple(fc.nat({ max: 3600 }), fc.nat({ max: 600 }), fc.constantFrom(1, 2, 5, 10), signal, signal)
  .map(([from, length, every, first, last]) => ({
    from: `${from} s`,
    to: `${from + length} s`,
    every: `${every} s`,
    link: { signal: [first, last] },
  }));
const ofThisDevice = fc.oneof(
  fc.constantFrom('mains', 'battery').map((power) => ({ power })),
  fc.constantFrom('open', 'closed').map((lid) => ({ lid })),
  fc.constantFrom('plugged', 'unplugged').map((cable) => ({ cable })),
  fc.constantFrom('used', 'idle', 'locked').map((session) => ({ session })),
);
const byHand = fc.constantFrom('dock', 'undock', 'yes', 'no').map((hand) => ({ hand }));
const line = fc.oneof(
  { weight: 3, arbitrary: stretch },
  at(ofThisDevice),
  at(byHand),
  at(fc.boolean().map((heard) => ({ heard }))),
  at(fc.constantFrom('sleep', 'shutdown').map((leaving) => ({ leaving }))),
  at(fc.constant({ link: 'lost' })),
  at(fc.constantFrom('fail', 'succeed').map((trips) => ({ trips }))),
);
const workspace = fc.constantFrom('home', 'docked');
const anything = fc.tuple(workspace, fc.array(line, { minLength: 1, maxLength: 12 }));
const rules: fc.Arbitrary<TriggerRules> = fc
  .record({
    dock: fc.constantFrom('auto' as const, 'ask' as const),
    undock: fc.constantFrom('auto' as const, 'ask' as const),
    dockWhen: fc.subarray(['mains', 'lid-closed', 'cable', 'idle'] as const),
    undockOn: fc.subarray(['unplugged', 'fading', 'locked'] as const),
    holdOffMs: fc.integer({ min: 0, max: 900_000 }),
    stayForMs: fc.integer({ min: 0, max: 900_000 }),
    nearForMs: fc.integer({ min: 0, max: 120_000 }),
  })
  .map((chosen) => ({ ...byItself, ...chosen }));

function play(place: string, events: readonly Line[], chosen: TriggerRules): TimelineEntry[] {
  const trace = TraceDocument.parse({ trace: 1, workspace: place, events, ends: '2 h' });
  return playTrace(trace, { mains: chosen, battery: chosen });
}

const isTrip = ({ kind, what }: TimelineEntry) =>
  kind === 'decision' && (what === 'dock' || what === 'undock');

describe('whatever happens', () => {
  it('one strong measurement among weak ones docks nothing', () => {
    const weak = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 600_000 }), fc.integer({ min: -100, max: -70 })),
      {
        maxLength: 200,
      },
    );
    fc.assert(
      fc.property(weak, fc.integer({ min: 0, max: 600_000 }), (samples, strongAt) => {
        const events: Line[] = samples.map(([ms, dBm]) => ({ at: `${ms} ms`, link: { signal: dBm } }));
        events.push({ at: `${strongAt} ms`, link: { signal: -30 } });
        expect(play('home', events, { ...byItself, nearForMs: 0 }).filter(isTrip)).toEqual([]);
      }),
    );
  });

  it('no dock comes before the hold-off after any trip, and no undock before it has stayed', () => {
    fc.assert(
      fc.property(anything, rules, ([place, events], chosen) => {
        let ended: TimelineEntry | undefined;
        for (const entry of play(place, events, chosen)) {
          if (entry.kind === 'trip') ended = entry;
          if (!isTrip(entry) || ended === undefined) continue;
          const quietMs = entry.atMs - ended.atMs;
          if (entry.what === 'dock') expect(quietMs).toBeGreaterThanOrEqual(chosen.holdOffMs);
          else if (!entry.why.includes('this device goes to sleep') && !entry.why.includes('shuts down'))
            expect(quietMs).toBeGreaterThanOrEqual(chosen.stayForMs);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('an undock by hand is not undone while they stay near', () => {
    const later = fc.array(at(fc.oneof(ofThisDevice, fc.constant({ heard: true }))), { maxLength: 12 });
    fc.assert(
      fc.property(later, rules, (events, chosen) => {
        const near = { from: '0 s', to: '2 h', every: '10 s', link: { signal: -50 } };
        const timeline = play('docked', [near, { at: '40 s', hand: 'undock' }, ...events], {
          ...chosen,
          undockOn: [],
        });
        expect(timeline.filter((entry) => isTrip(entry) && entry.what === 'dock')).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('where it asks, nothing is done without a yes', () => {
    fc.assert(
      fc.property(anything, rules, ([place, events], chosen) => {
        const asking = { ...chosen, dock: 'ask', undock: 'ask', leaving: 'stay' } as const;
        const timeline = play(place, events, asking);
        timeline.forEach((entry, index) => {
          if (isTrip(entry)) expect(timeline[index - 1]?.what).toBe(`${entry.what}? yes`);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('no trip is decided while another one is under way', () => {
    fc.assert(
      fc.property(anything, rules, ([place, events], chosen) => {
        let underWay = false;
        for (const entry of play(place, events, chosen)) {
          if (entry.kind === 'trip') underWay = false;
          if (!isTrip(entry)) continue;
          expect(underWay).toBe(false);
          underWay = true;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('looking more often decides nothing else, nor at another time', () => {
    const looks = fc.array(fc.integer({ min: 0, max: 7_200_000 }), { maxLength: 100 });
    fc.assert(
      fc.property(anything, rules, looks, ([place, events], chosen, times) => {
        // repeats what was said before, and so only makes the engine look
        const quiet = events.filter((each) => !('heard' in each));
        const heard = times.map((ms) => ({ at: `${ms / 1000} s`, heard: true }));
        const trips = (more: Line[]) =>
          play(place, [{ at: '0 s', heard: true }, ...more, ...quiet], chosen).filter(
            ({ kind }) => kind === 'decision',
          );
        expect(trips(heard)).toEqual(trips([]));
      }),
      { numRuns: 200 },
    );
  });
});
