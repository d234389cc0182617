import type { TimelineEntry } from '../../presence/trace/play-trace.ts';
import type { TraceDocument } from '../../presence/trace/trace-document.ts';
import { renderTable } from './table.ts';

/** What a trace led to: when, in which state, what was decided, and why. What only happened has no mark. */
export function renderTimeline(
  trace: TraceDocument,
  timeline: readonly TimelineEntry[],
  width: number,
): string {
  const rows = timeline.map(({ atMs, state, kind, what, why }) => [
    elapsed(atMs),
    state,
    kind === 'decision' ? `-> ${what}` : what,
    why,
  ]);
  const trips = timeline.filter(
    ({ kind, what }) => kind === 'decision' && (what === 'dock' || what === 'undock'),
  );
  const count = trips.length === 1 ? 'One trip' : `${trips.length === 0 ? 'No' : trips.length} trips`;
  return [
    ...(trace.description === undefined ? [] : [trace.description, '']),
    renderTable(['WHEN', 'STATE', 'WHAT', 'BECAUSE'], rows, width),
    '',
    `${count} by the rules.`,
  ].join('\n');
}

/** 0:00:07.5 */
function elapsed(ms: number): string {
  const tenths = Math.round(ms / 100);
  const seconds = Math.floor(tenths / 10);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0'));
  return `${Math.floor(seconds / 3600)}:${parts.join(':')}.${tenths % 10}`;
}
