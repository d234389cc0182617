import type { GuestSummary, TripOutcome } from '../../../protocol/outcome.ts';
import { formatBytes, formatDuration, formatMiB } from './quantities.ts';
import { renderTable } from './table.ts';

/**
 * What a trip did, for people: each resource before and after as read inside the guest, the times, and all that is
 * not as asked. At most 80 columns where names and addresses are of usual length.
 */
export function renderTrip(outcome: TripOutcome): string {
  const verb = outcome.kind === 'dock' ? 'docked' : 'undocked';
  const simulated = outcome.simulated ? ' (simulated)' : '';
  const head = `${verb} ${outcome.workspace}: ${outcome.from} -> ${outcome.to}${simulated}, in ${formatDuration(outcome.totalMs)}`;
  return [head, '', renderGuest(outcome), '', renderTimes(outcome), ...renderShortfalls(outcome)].join('\n');
}

type Row = [string, string, string];

export function renderGuest({ guest, from, to }: Pick<TripOutcome, 'guest' | 'from' | 'to'>): string {
  if (guest.before === null && guest.after === null) {
    return '  The agent in the guest did not answer, so nothing could be read there.';
  }
  const row = (name: string, read: (guest: GuestSummary) => string): Row => [
    `  ${name}`,
    guest.before === null ? 'not read' : read(guest.before),
    guest.after === null ? 'not read' : read(guest.after),
  ];
  const addresses = Math.max(
    guest.before?.network.addresses.length ?? 0,
    guest.after?.network.addresses.length ?? 0,
  );
  return renderTable(
    ['  inside the guest', `before, on ${from}`, `after, on ${to}`],
    [
      row('vCPUs', ({ vcpus }) => String(vcpus)),
      row('memory', ({ memoryMiB }) => formatMiB(memoryMiB)),
      row('display', ({ display }) =>
        display === null ? 'none' : `${display.width}x${display.height}, scale ${display.scale}`,
      ),
      row('network', ({ network }) => network.mode ?? 'unknown'),
      ...Array.from({ length: addresses }, (_, at) =>
        row(at === 0 ? 'address' : '', ({ network }) => network.addresses[at] ?? ''),
      ),
    ],
  );
}

function renderTimes(outcome: TripOutcome): string {
  const stages = outcome.stages
    .filter(({ ms }) => ms >= 1)
    .map(({ name, ms }) => `${name} ${formatDuration(ms)}`);
  const rows = [
    ['  stood still', outcome.downtimeMs === null ? 'unknown' : formatDuration(outcome.downtimeMs)],
    ...(outcome.throttlePercent === undefined
      ? []
      : [
          [
            '  slowed',
            `by up to ${outcome.throttlePercent} % before that, for it wrote as fast as the link carried`,
          ],
        ]),
    ['  adapted', `${formatDuration(outcome.adaptMs)} after it ran on ${outcome.to}`],
    [
      '  sent',
      `${formatBytes(outcome.wireBytes)}, for ${formatBytes(outcome.streamBytes)} of memory and state`,
    ],
    ...(outcome.resentBytes === undefined
      ? []
      : [['  sent again', `${formatBytes(outcome.resentBytes)}, for a link was lost on the way`]]),
    ...(outcome.trimmedCacheMiB === undefined
      ? []
      : [['  not sent', `${formatMiB(outcome.trimmedCacheMiB)} of page cache, which the guest dropped`]]),
    ...foldWords(stages, 60).map((line, at) => [at === 0 ? '  stages' : '', line]),
  ];
  return renderTable([], rows);
}

export function renderShortfalls({ shortfalls }: Pick<TripOutcome, 'shortfalls'>): string[] {
  if (shortfalls.length === 0) return ['', '  Everything is as the policy asks.'];
  const count = shortfalls.length === 1 ? 'One thing is' : `${shortfalls.length} things are`;
  return [
    '',
    `  ${count} not as asked:`,
    ...shortfalls.flatMap(({ resource, requested, actual, reason }) => [
      `  - ${resource}: asked for ${requested}, is ${actual}`,
      `    ${reason}`,
    ]),
  ];
}

/** Joins with commas, a new line where the next word would pass the width. */
function foldWords(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + word.length <= width)
      lines[lines.length - 1] = `${last}, ${word}`;
    else {
      if (last !== undefined) lines[lines.length - 1] = `${last},`;
      lines.push(word);
    }
  }
  return lines;
}
