import type { PresenceStatus } from '../../../protocol/presence.ts';
import { formatDuration } from './quantities.ts';

/** `pc  near: link quality 92 %, at least 65 % (signal -54 dBm); work: dock when that has lasted a while` */
export function renderPresence({ device, workspace, state, why, next, question }: PresenceStatus): string {
  const seen = `${device}  ${state}: ${why}`;
  if (workspace === undefined) return seen;
  if (question === undefined) return `${seen}; ${workspace}: ${next}`;
  const { trip, answerWithinMs } = question;
  const towards = trip === 'dock' ? `to ${device}` : `from ${device}`;
  return (
    `${seen}; ${trip} ${workspace} ${towards}? ${question.why}; ` +
    `wdock answer yes, or no, within ${formatDuration(answerWithinMs)}`
  );
}
