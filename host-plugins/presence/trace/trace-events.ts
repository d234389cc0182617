import type { Observation } from '../observation.ts';
import type { TraceDocument, TraceLine } from './trace-document.ts';

/** One thing that happens in a trace; `at` in ms since its beginning. */
export type TraceEvent = { readonly at: number } & (
  | { readonly kind: 'observation'; readonly observation: Observation; readonly text: string | undefined }
  | { readonly kind: 'hand'; readonly does: 'dock' | 'undock' | 'yes' | 'no' }
  | { readonly kind: 'trips'; readonly go: 'succeed' | 'fail' }
);

/** The lines of a trace as single events in the order of their times. */
export function traceEvents({ events, other }: TraceDocument): TraceEvent[] {
  return events.flatMap((line) => eventsOf(line, other.name)).sort((a, b) => a.at - b.at);
}

function eventsOf(line: TraceLine, device: string): TraceEvent[] {
  const { at, from = 0, to = 0, every = 1 } = line;
  if (at !== undefined) return eventsAt(line, at, 0, device);
  const times = Array.from(
    { length: Math.floor((to - from) / every) + 1 },
    (_, index) => from + index * every,
  );
  return times.flatMap((time) => eventsAt(line, time, to === from ? 0 : (time - from) / (to - from), device));
}

/** @param share how much of the line's time has passed, 0 to 1 */
function eventsAt(line: TraceLine, at: number, share: number, device: string): TraceEvent[] {
  const found: TraceEvent[] = [];
  const see = (observation: Observation, text?: string) =>
    found.push({ at, kind: 'observation', observation, text });
  const { heard, link, power, lid, cable, session, leaving, hand, trips } = line;
  const between = (given: { from: number; to: number } | undefined) =>
    given === undefined ? undefined : given.from + (given.to - given.from) * share;
  if (trips !== undefined) found.push({ at, kind: 'trips', go: trips });
  if (heard !== undefined)
    see(
      { kind: 'announcement', device, heard },
      heard ? `${device} announces itself` : `${device} is silent`,
    );
  if (link === 'lost') see({ kind: 'link-lost', device }, 'the connection is lost');
  else if (link !== undefined) {
    const { medium } = link;
    const lossShare = (between(link.loss) ?? 0) / 100;
    see({
      kind: 'link',
      device,
      medium,
      rttMs: between(link.rtt),
      lossShare,
      signalDbm: between(link.signal),
    });
  }
  if (power !== undefined)
    see({ kind: 'power', mains: power === 'mains', batteryPercent: undefined }, `power: ${power}`);
  if (lid !== undefined) see({ kind: 'lid', closed: lid === 'closed' }, `lid: ${lid}`);
  if (cable !== undefined) see({ kind: 'cable', plugged: cable === 'plugged' }, `cable: ${cable}`);
  if (session !== undefined) {
    // who locks has gone: a locked session is an idle one
    see({ kind: 'session', locked: session === 'locked', idle: session !== 'used' }, `session: ${session}`);
  }
  if (leaving !== undefined) see({ kind: 'leaving', why: leaving }, `about to leave: ${leaving}`);
  if (hand !== undefined) found.push({ at, kind: 'hand', does: hand });
  return found;
}
