import { z } from 'zod';
import { duration, Share } from './quantities.ts';
import { parseHours } from './weekly-hours.ts';

/** The section `triggers` of the policy language: docking and undocking without a command (docs/triggers.md). */

const hour = 60 * 60_000;
const noDoubles = <T>(list: readonly T[]) => new Set(list).size === list.length;
const once = { error: 'expected each value once' };

const TriggerMode = z.enum(['never', 'ask', 'auto']);
export type TriggerMode = z.output<typeof TriggerMode>;

const DockCondition = z.enum(['mains', 'lid-closed', 'cable', 'idle']);
export type DockCondition = z.output<typeof DockCondition>;

const UndockCause = z.enum(['unplugged', 'fading', 'locked']);
export type UndockCause = z.output<typeof UndockCause>;

const Hours = z
  .string({ error: 'expected hours such as Mon-Fri 08:00-18:00' })
  .refine((text) => parseHours(text) !== undefined, {
    error: 'expected days and hours such as Mon-Fri 08:00-18:00, Sat,Sun 10:00-12:30 or daily 22:00-06:00',
  });

export const Triggers = z
  .strictObject({
    dock: TriggerMode.optional().describe('What happens when a device is near and the conditions hold.'),
    dockWhen: z
      .array(DockCondition)
      .refine(noDoubles, once)
      .optional()
      .describe('What has to hold on this device besides nearness; all of the list.'),
    idleFor: duration(24 * hour)
      .optional()
      .describe('How long nobody has used this device for "idle", at most 24 h.'),
    hours: z
      .array(Hours)
      .refine(noDoubles, once)
      .optional()
      .describe('When it docks at all, in local time, e.g. Mon-Fri 08:00-18:00; an empty list: always.'),
    undock: TriggerMode.optional().describe('What happens on one of the causes of undockOn.'),
    undockOn: z
      .array(UndockCause)
      .refine(noDoubles, once)
      .optional()
      .describe('What sends the workspace home; any of the list.'),
    leaving: z
      .enum(['stay', 'undock'])
      .optional()
      .describe('Whether the workspace goes home before this device sleeps or shuts down.'),
    answerIn: duration(hour)
      .optional()
      .describe('A question that nobody answers in this time is answered with no, at most 1 h.'),
    near: Share.optional().describe('Link quality from which a device is near.'),
    fading: Share.optional().describe('Link quality below which it is no longer near; at most near.'),
    nearFor: duration(hour)
      .optional()
      .describe('How long it has to be near, with all conditions, before it docks.'),
    fadingFor: duration(hour).optional().describe('How long the link has to fade before it undocks.'),
    stayFor: duration(24 * hour)
      .optional()
      .describe('How long it stays docked at least, unless this device sleeps or shuts down.'),
    holdOff: duration(24 * hour)
      .optional()
      .describe('How long it docks nowhere after a trip has ended or failed.'),
  })
  .refine(({ near, fading }) => near === undefined || fading === undefined || fading <= near, {
    error: 'fading is more than near',
    path: ['fading'],
  });
