import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import { DemoRecord } from '../../lab/demo/demo-record.ts';
import { docked } from '../cli/trip-outcome.ts';

describe('the record of a demo', () => {
  it('of which a trip failed has the trips before it, and the error', () => {
    const record = new DemoRecord();
    record.addTrip(docked, 12.4, undefined);
    record.during = 'the undock';
    record.stop(new DockError('peer-gone', 'pc does not answer', { detail: { end: 'pc' } }));
    expect(JSON.parse(JSON.stringify(record.result))).toMatchObject({
      trips: [{ kind: 'dock', networkGapMs: 12 }],
      failures: ['the undock failed: pc does not answer'],
      error: { kind: 'peer-gone', message: 'pc does not answer', detail: { end: 'pc' } },
    });
    expect(record.verdict).toBe('Not as it should be:\n  the undock failed: pc does not answer');
  });

  it('in which nothing is wrong says so', () => {
    const record = new DemoRecord();
    record.addTrip(docked, 0, undefined);
    expect(record.verdict).toBe('Every outcome is as it should be.');
    expect(record.result).toMatchObject({ failures: [] });
    expect(record.result).not.toHaveProperty('error');
  });
});
