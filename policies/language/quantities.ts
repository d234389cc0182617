import { z } from 'zod';

/** 0 to 100. */
export type Percent = number & z.core.$brand<'Percent'>;
export type MiB = number & z.core.$brand<'MiB'>;
export type Milliseconds = number & z.core.$brand<'Milliseconds'>;

const sharePattern = /^(?:100|\d{1,2}(?:\.\d{1,2})?) ?%$/;
const sizePattern = /^\d{1,8}(?:\.\d{1,3})? ?(?:MiB|GiB)$/;
const durationPattern = /^\d{1,6}(?:\.\d{1,3})? ?(?:ms|s|min|h)$/;

export const Share = z
  .string({ error: 'expected a share such as 75%' })
  .regex(sharePattern, 'expected a share from 0% to 100%, such as 75%')
  .transform((text) => Number.parseFloat(text) as Percent);

/** Whole MiB; a fraction of one is dropped. */
export const Size = z
  .string({ error: 'expected a size such as 512 MiB or 4 GiB' })
  .regex(sizePattern, 'expected a size in MiB or GiB, such as 512 MiB or 4 GiB')
  .transform((text) => Math.floor(Number.parseFloat(text) * (text.endsWith('GiB') ? 1024 : 1)) as MiB);

export const ShareOrSize = z
  .string({ error: 'expected a share such as 10% or a size such as 128 MiB' })
  .regex(
    new RegExp(`${sharePattern.source}|${sizePattern.source}`),
    'expected a share such as 10% or a size such as 128 MiB',
  )
  .transform((text): { share: Percent } | { size: MiB } =>
    text.endsWith('%') ? { share: Share.parse(text) } : { size: Size.parse(text) },
  );
export type ShareOrSize = z.output<typeof ShareOrSize>;

/** In MiB of `wholeMiB`, rounded up: both uses of it, `leave` and `headroom`, are margins of safety. */
export function shareOrSizeMiB(amount: ShareOrSize, wholeMiB: number): number {
  return 'share' in amount ? Math.ceil((wholeMiB * amount.share) / 100) : amount.size;
}

const durationUnits = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 } as const;

/** A duration of at most `limitMs`. */
export const duration = (limitMs: number) =>
  z
    .string({ error: 'expected a duration such as 5 s' })
    .regex(durationPattern, 'expected a duration in ms, s, min or h, such as 5 s')
    .transform((text) => {
      const unit = (['ms', 'min', 's', 'h'] as const).find((each) => text.endsWith(each)) ?? 's';
      return Math.floor(Number.parseFloat(text) * durationUnits[unit]) as Milliseconds;
    })
    .refine((ms) => ms <= limitMs, { error: `expected at most ${durationText(limitMs)}` });

/** The same value again, for people and for the file: 300 → `300 ms`, 60000 → `60 s`, 300000 → `5 min`, 7200000 → `2 h`. */
export function durationText(ms: number): string {
  if (ms > 0 && ms % durationUnits.h === 0) return `${ms / durationUnits.h} h`;
  if (ms > durationUnits.min && ms % durationUnits.min === 0) return `${ms / durationUnits.min} min`;
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}
