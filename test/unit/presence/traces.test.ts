import { describe, expect, it } from 'vitest';
import { play } from './load-trace.ts';

/** `34.0 s dock`: what was decided, and when. */
async function decisions(trace: string, policy = 'by-itself'): Promise<string[]> {
  const timeline = await play(trace, policy);
  return timeline
    .filter(({ kind }) => kind === 'decision')
    .map(({ atMs, what }) => `${(atMs / 1000).toFixed(1)} s ${what}`);
}

describe('a person who would not want a trip gets none', () => {
  it.each([
    ['walking by', 'walking-by'],
    ['at the desk, docked, while the access point flaps', 'flapping-access-point'],
    ['far away, with one strong measurement and a burst of it', 'one-strong-sample'],
    ['docked, with two weak measurements', 'one-weak-sample'],
  ])('%s', async (_who, trace) => {
    expect(await decisions(trace)).toEqual([]);
  });
});

describe('a person who would want a trip gets it, once', () => {
  it('sitting down: 20 s after it was near', async () => {
    expect(await decisions('sitting-down')).toEqual(['34.0 s dock']);
  });

  it('walking away: 28 s before the link is lost, and 23 s after leaving the desk', async () => {
    expect(await decisions('walking-away')).toEqual(['624.0 s undock']);
  });

  it('at the desk, before docking, with a link that comes and goes: when it has come to rest', async () => {
    expect(await decisions('flapping-before-docking')).toEqual(['82.0 s dock']);
  });

  it('undocking by hand: not while they stay for an hour, but when they have been away', async () => {
    expect(await decisions('undocked-by-hand')).toEqual(['6024.0 s dock']);
  });

  it('plugging in during office hours, and out again', async () => {
    expect(await decisions('unplugged', 'unplugged')).toEqual(['2120.0 s dock', '2700.0 s undock']);
  });

  it('plugging in a cable, when it stays in', async () => {
    expect(await decisions('cable', 'cable')).toEqual(['3630.0 s dock']);
  });

  it('locking this device: home at once, and docked again when it is used again', async () => {
    expect(await decisions('locked', 'locked')).toEqual(['300.0 s undock', '680.0 s dock']);
  });

  it('sending the PC to sleep: at once', async () => {
    expect(await decisions('sleep')).toEqual(['120.0 s undock']);
  });

  it('who is asked: by a yes, and not without one', async () => {
    expect(await decisions('asked', 'asked')).toEqual([
      '80.0 s ask: dock?',
      '140.0 s dock? unanswered',
      '560.0 s ask: dock?',
      '570.0 s dock? yes',
      '570.0 s dock',
    ]);
  });

  it('while trips fail: tried again after the hold-off, until one succeeds', async () => {
    expect(await decisions('failing')).toEqual(['31.0 s dock', '351.0 s dock', '671.0 s dock']);
  });
});
