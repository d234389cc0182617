import { describe, expect, it } from 'vitest';
import {
  type QuestionContext,
  showQuestion,
  showUnanswered,
} from '../../../host-plugins/notify/show-question.ts';

const pc: QuestionContext = { device: 'pc', simulated: false, visitor: false, until: '09:01:14' };
const dock = ['work', 'dock', 'it is near', 0] as const;
const undock = ['work', 'undock', 'this device was unplugged', 0] as const;

describe('a notification', () => {
  it('of an answer that was not taken says why', () => {
    expect(showUnanswered(dock, 'pc', 'it is not allowed')).toMatchObject({
      summary: 'Not answered: dock of work, pc',
      body: 'it is not allowed',
      buttons: [],
    });
  });

  it('of a question says what happens without an answer, and how to answer it without buttons', () => {
    expect(showQuestion(dock, pc)).toMatchObject({
      body: 'It is near. No answer until 09:01:14 is a no.',
      insteadOfButtons: 'To answer, type: wdock answer yes -w work --device pc (or no)',
    });
  });

  it.each([
    [dock, pc, 'Dock work to pc?', 'Dock'],
    [dock, { ...pc, simulated: true }, 'Dock work to pc (simulated)?', 'Dock'],
    [undock, pc, 'Bring work back from pc?', 'Bring back'],
    [undock, { ...pc, device: 'pad', visitor: true }, 'Send work home to pad?', 'Send home'],
  ])('of a question says what is asked and offers it: %j %j', (question, context, summary, yes) => {
    const shown = showQuestion(question, context);
    expect(shown.summary).toBe(summary);
    expect(shown.buttons.map(({ label }) => label)).toEqual([yes, 'Not now']);
  });
});
