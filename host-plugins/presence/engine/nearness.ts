import type { LinkQuality } from './link-quality.ts';

/** Times here and below: milliseconds on any clock that only goes forward. */
export interface LinkSample extends LinkQuality {
  readonly at: number;
}

export interface Nearness {
  /** `away`: nothing is known of it; `seen`: announced or connected; `near`: connected well enough. */
  readonly level: 'away' | 'seen' | 'near';
  readonly why: string;
  /** It announces itself. */
  readonly heard: boolean;
  /** The last measurements, oldest first. */
  readonly samples: readonly LinkSample[];
}

export interface NearnessThresholds {
  readonly near: number;
  readonly fading: number;
}

/** A judgement takes so many measurements at least: never one. */
const leastSamples = 3;
const mostSamples = 5;
/** What is measured within this time, ms, is one measurement, and its worst counts: a burst is no majority. */
const burstMs = 500;
/** An older measurement says nothing of now, ms; four beats of a connection that nobody uses. */
const sampleLifeMs = 45_000;

export const unknownNearness: Nearness = { level: 'away', why: 'nothing heard', heard: false, samples: [] };

export function withSample(nearness: Nearness, sample: LinkSample): Nearness {
  const before = nearness.samples.at(-1);
  if (before === undefined || sample.at - before.at >= burstMs) {
    return { ...nearness, samples: [...nearness.samples, sample].slice(-mostSamples) };
  }
  if (sample.percent >= before.percent) return nearness;
  return { ...nearness, samples: [...nearness.samples.slice(0, -1), { ...sample, at: before.at }] };
}

/** The level at this time, with hysteresis: `near` is entered at one threshold and left below another. */
export function judgeNearness(known: Nearness, { near, fading }: NearnessThresholds, at: number): Nearness {
  const samples = known.samples.filter((sample) => at - sample.at < sampleLifeMs);
  const nearness = { ...known, samples };
  const median = medianQuality(nearness);
  if (median === undefined) {
    if (samples.length > 0) return { ...nearness, level: 'seen', why: 'connected, not measured enough yet' };
    return known.heard
      ? { ...nearness, level: 'seen', why: 'announces itself, not connected' }
      : { ...nearness, level: 'away', why: 'neither heard nor connected' };
  }
  const least = known.level === 'near' ? fading : near;
  const level = median.percent >= least ? 'near' : 'seen';
  const verb = level === 'near' ? 'at least' : 'less than';
  return {
    ...nearness,
    level,
    why: `link quality ${median.percent} %, ${verb} ${least} % (${median.because})`,
  };
}

/** Of the measurements that are there; undefined where they are too few. */
export function medianQuality({ samples }: Nearness): LinkQuality | undefined {
  if (samples.length < leastSamples) return undefined;
  const sorted = samples.toSorted((a, b) => a.percent - b.percent);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** When measurements that are there now will have become too few; nothing else changes with time alone. */
export function nearnessDeadlines({ samples }: Nearness): number[] {
  return samples.map((sample) => sample.at + sampleLifeMs);
}
