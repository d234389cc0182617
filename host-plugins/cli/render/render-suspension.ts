import type { ResumeOutcome, SuspendOutcome } from '../../../protocol/suspension.ts';
import { formatBytes, formatDuration } from './quantities.ts';
import { renderGuest, renderShortfalls } from './render-trip.ts';
import { renderTable } from './table.ts';

const shownIdLength = 12;

/** What a suspend did, and where it can go on. */
export function renderSuspend(outcome: SuspendOutcome): string {
  const { workspace, device, directory, image, pages, devices } = outcome;
  const simulated = outcome.simulated ? ' (simulated)' : '';
  const head = `suspended ${workspace}: ${device}${simulated} -> ${directory}, in ${formatDuration(outcome.totalMs)}`;
  const reused = pages.reused === 0 ? '' : `; ${pages.reused} pages were there already`;
  const rows = [
    ['  image', `${image.slice(0, shownIdLength)}, ${formatBytes(outcome.imageBytes)} in ${outcome.folder}`],
    ['  written', `${formatBytes(outcome.writtenBytes)}, of ${formatBytes(outcome.streamBytes)}${reused}`],
    ['  stands still', `since ${new Date(outcome.at).toISOString()}; read back and found whole`],
    ['  can go on', ['here', ...devices.map((name) => `on ${name}`)].join(', ')],
  ];
  const next = `It is safe to unmount the drive. To go on: wdock resume ${directory}`;
  return [head, '', renderTable([], rows), '', `  ${next}`].join('\n');
}

/** What a resume did: each resource before and after, as of a trip. */
export function renderResume(outcome: ResumeOutcome): string {
  const { workspace, from, to, directory, guest, shortfalls } = outcome;
  const simulated = outcome.simulated ? ' (simulated)' : '';
  const head = `resumed ${workspace}: ${directory} -> ${to}${simulated}, in ${formatDuration(outcome.totalMs)}`;
  const rows = [
    ['  was suspended', `${new Date(outcome.suspendedAt).toISOString()}, on ${from}`],
    ['  adapted', `${formatDuration(outcome.adaptMs)} after it ran on ${to}`],
    ['  read', formatBytes(outcome.imageBytes)],
  ];
  return [
    head,
    '',
    renderGuest({ guest, from, to }),
    '',
    renderTable([], rows),
    ...renderShortfalls({ shortfalls }),
  ].join('\n');
}
