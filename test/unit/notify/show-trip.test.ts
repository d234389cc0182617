import { describe, expect, it } from 'vitest';
import { showTrip, type TripProperties } from '../../../host-plugins/notify/show-trip.ts';

const trip: TripProperties = {
  Kind: 'dock',
  WorkspaceName: 'work',
  To: 'pc',
  Simulated: false,
  State: 'running',
  Stage: 'transfer',
  Percent: 47,
  Text: '458 MiB sent',
  ErrorMessage: '',
  RunsOn: '',
  Shortfalls: [],
};

describe('a notification', () => {
  it('of a trip that failed says why and where the machine runs, and that loudly', () => {
    const failed = { ...trip, State: 'failed', ErrorMessage: 'the link was cut', RunsOn: 'mid' };
    expect(showTrip(failed)).toEqual({
      summary: 'Not moved: work to pc',
      body: 'the link was cut; it runs on mid',
      percent: undefined,
      buttons: [],
      stays: false,
      urgency: 'critical',
      category: 'transfer',
    });
  });

  it('of a trip that was cancelled is no alarm', () => {
    expect(showTrip({ ...trip, State: 'cancelled', RunsOn: 'mid' })).toMatchObject({
      body: 'Cancelled; it runs on mid',
      urgency: 'normal',
    });
  });

  it.each([
    ['', true],
    ['prepare', true],
    ['transfer', true],
    ['hand-over', false],
    ['adapt', false],
  ])('in the stage "%s" has a button to cancel: %s', (Stage, canCancel) => {
    expect(showTrip({ ...trip, Stage }).buttons.length > 0).toBe(canCancel);
  });

  it('of a trip under way has its progress', () => {
    expect(showTrip({ ...trip, Simulated: true })).toMatchObject({
      summary: 'Moving work to pc (simulated)',
      body: 'transfer: 458 MiB sent',
      percent: 47,
    });
  });

  it('of a trip that is done names what is not as asked', () => {
    const Shortfalls = [['power', 'performance', 'balanced', 'the guest has no such profile']] as const;
    expect(showTrip({ ...trip, State: 'done', Shortfalls })).toMatchObject({
      summary: 'Moved work to pc',
      body: 'power is not as asked: the guest has no such profile',
      percent: undefined,
    });
  });
});
