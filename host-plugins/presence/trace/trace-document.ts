import { z } from 'zod';
import { duration, Share } from '../../../policies/language/quantities.ts';
import { parseWeekTime, type WeekTime } from '../../../policies/language/weekly-hours.ts';
import { DeviceClass } from '../../../protocol/host-profile.ts';
import { TrustLevel } from '../../../protocol/trust-level.ts';

/** A file with what happens between two devices, to try triggers on (docs/triggers.md). */

const day = 24 * 60 * 60_000;
const Time = duration(7 * day);
/** More than this in one line is no trace of a person's day. */
const mostRepeats = 10_000;
const leastStepMs = 100;

/** A value, or two that it goes from and to, evenly, over the time of the line. */
const ramp = <T extends z.ZodType>(value: T) =>
  z.union([value, z.tuple([value, value])]).transform((given): { from: z.output<T>; to: z.output<T> } => {
    const [from, to] = Array.isArray(given) ? given : [given, given];
    return { from: from as z.output<T>, to: to as z.output<T> };
  });

const signalRange = 'expected a signal from -120 to 0, in dBm';
const Link = z.strictObject({
  medium: z.enum(['ethernet', 'wifi', 'other']).default('wifi'),
  rtt: ramp(duration(60_000)).optional(),
  loss: ramp(Share).optional(),
  signal: ramp(z.number({ error: signalRange }).min(-120, signalRange).max(0, signalRange)).optional(),
});

const happenings = {
  heard: z.boolean().optional(),
  link: z.union([z.literal('lost'), Link]).optional(),
  power: z.enum(['mains', 'battery']).optional(),
  lid: z.enum(['open', 'closed']).optional(),
  cable: z.enum(['plugged', 'unplugged']).optional(),
  session: z.enum(['used', 'idle', 'locked']).optional(),
  leaving: z.enum(['sleep', 'shutdown']).optional(),
  /** What a person does. */
  hand: z.enum(['dock', 'undock', 'yes', 'no']).optional(),
  /** How trips go from here on. */
  trips: z.enum(['succeed', 'fail']).optional(),
};

const Line = z
  .strictObject({
    at: Time.optional(),
    from: Time.optional(),
    to: Time.optional(),
    every: Time.optional(),
    ...happenings,
  })
  .check(({ value: line, issues }) => {
    const fault = (message: string, path: string[] = []) =>
      issues.push({ code: 'custom', message, path, input: line });
    const { at, from, to, every, ...rest } = line;
    const span = [from, to, every].filter((time) => time !== undefined).length;
    if (at === undefined ? span !== 3 : span !== 0)
      fault('expected either "at", or "from", "to" and "every"');
    if (Object.keys(rest).length === 0)
      fault(`nothing happens here; one of ${Object.keys(happenings).join(', ')}`);
    if (from === undefined || to === undefined || every === undefined) return;
    if (to < from) fault('to is before from', ['to']);
    if (every < leastStepMs) fault(`expected at least ${leastStepMs} ms`, ['every']);
    else if ((to - from) / every > mostRepeats) fault(`more than ${mostRepeats} times`, ['every']);
  });
export type TraceLine = z.output<typeof Line>;

const WeekTimeText = z
  .string()
  .refine((text) => parseWeekTime(text) !== undefined, { error: 'expected a day and time such as Mon 09:00' })
  .transform((text) => parseWeekTime(text) as WeekTime);

export const TraceDocument = z.strictObject({
  trace: z.literal(1, { error: 'expected 1, the version of the format' }),
  description: z.string().optional(),
  /** The device that decides; its class's policy applies. */
  device: z.strictObject({ class: DeviceClass.default('mid') }).prefault({}),
  other: z
    .strictObject({
      name: z.string().min(1).max(63).default('pc'),
      class: DeviceClass.default('desktop'),
      trust: TrustLevel.default('owned'),
    })
    .prefault({}),
  /** Where the workspace is at first. */
  workspace: z.enum(['home', 'docked']).default('home'),
  starts: WeekTimeText.prefault('Mon 09:00'),
  /** Default: with the last event. */
  ends: Time.optional(),
  tripTakes: duration(day).prefault('20 s'),
  events: z.array(Line).min(1),
});
export type TraceDocument = z.output<typeof TraceDocument>;
