import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import type { WatchEvent } from '../../daemon/watch-hub.ts';
import { formatClock, formatDuration } from './quantities.ts';
import { renderPresence } from './render-presence.ts';
import { renderGuestLine, simulatedMark } from './render-status.ts';

/** A progress event as one plain line; undefined for those that a line would only repeat. */
export function renderProgressEvent(event: ProgressEvent): string | undefined {
  switch (event.kind) {
    case 'trip-started':
      return `${event.trip} ${event.workspace}: ${event.from} -> ${event.to}${simulatedMark(event.simulated)}`;
    case 'stage-started':
      return undefined;
    case 'stage-progress':
      return `${event.stage}: ${event.text}${event.fraction === undefined ? '' : ` (${percent(event.fraction)})`}`;
    case 'stage-done':
      return `${event.stage}: done in ${formatDuration(event.ms)}`;
    case 'note':
      return event.text;
    case 'trip-done':
      return `${event.outcome.kind} done in ${formatDuration(event.outcome.totalMs)}`;
    case 'trip-failed':
      return `failed${event.stage === undefined ? '' : ` in ${event.stage}`}: ${event.error.message}${runsOn(event.runsOn)}`;
  }
}

export const percent = (fraction: number): string => `${Math.floor(fraction * 100)} %`;

export const runsOn = (device: string | undefined): string =>
  device === undefined ? '' : `; the workspace runs on ${device}`;

export function renderWatchEvent(event: WatchEvent): string | undefined {
  const line = describeWatchEvent(event);
  return line === undefined ? undefined : `${formatClock(event.at)}  ${line}`;
}

function describeWatchEvent(event: WatchEvent): string | undefined {
  switch (event.kind) {
    case 'workspace': {
      const { name, state, guest, detail } = event.status;
      const rest = detail ?? (guest === undefined ? undefined : renderGuestLine(guest));
      return `${name}  ${state}${rest === undefined ? '' : `: ${rest}`}`;
    }
    case 'trip': {
      const line = renderProgressEvent(event.event);
      return line === undefined ? undefined : `${event.workspace}  ${line}`;
    }
    case 'device':
      return `${event.status.name}${simulatedMark(event.status.simulated)}  ${event.status.reachable ? 'reachable' : 'not reachable'}`;
    case 'presence':
      return renderPresence(event.status);
  }
}
