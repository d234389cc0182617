import type { Notification } from './notification.ts';

/** A question of a trigger, as the bus has it: an element of `Questions` of org.wirelessdock.Host1.Device. */
export type AskedQuestion = readonly [workspace: string, trip: string, reason: string, until: number];

export interface QuestionContext {
  /** The other device. */
  readonly device: string;
  readonly simulated: boolean;
  /** The workspace is at home there, and visits this device. */
  readonly visitor: boolean;
  /** Until when it can be answered, as its user writes times. */
  readonly until: string;
}

export const yesKey = 'yes';
const noKey = 'no';

/** What a notification about a question says. Pure. */
export function showQuestion(
  [workspace, trip, reason]: AskedQuestion,
  { device, simulated, visitor, until }: QuestionContext,
): Notification {
  const mark = simulated ? ' (simulated)' : '';
  const [summary, yes] =
    trip === 'dock'
      ? [`Dock ${workspace} to ${device}${mark}?`, 'Dock']
      : visitor
        ? [`Send ${workspace} home to ${device}${mark}?`, 'Send home']
        : [`Bring ${workspace} back from ${device}${mark}?`, 'Bring back'];
  return {
    summary,
    body: `${sentence(reason)} No answer until ${until} is a no.`,
    buttons: [
      { key: yesKey, label: yes },
      { key: noKey, label: 'Not now' },
    ],
    insteadOfButtons: `To answer, type: wdock answer yes -w ${workspace} --device ${device} (or no)`,
    percent: undefined,
    stays: true,
    urgency: 'normal',
    category: 'device',
  };
}

/** That an answer was not taken. */
export function showUnanswered([workspace, trip]: AskedQuestion, device: string, why: string): Notification {
  return {
    summary: `Not answered: ${trip} of ${workspace}, ${device}`,
    body: why,
    buttons: [],
    percent: undefined,
    stays: false,
    urgency: 'normal',
    category: 'device',
  };
}

function sentence(reason: string): string {
  return `${reason.slice(0, 1).toUpperCase()}${reason.slice(1)}.`;
}
