import { expect, it } from 'vitest';
import { RefusalLog } from '../../../host-plugins/daemon/refusal-log.ts';

it('a flood of refused connections is ten lines a minute in the log, and then how many more there were', () => {
  const lines: object[] = [];
  let now = 5_000;
  const log = new RefusalLog(
    (fields) => lines.push(fields),
    () => now,
  );
  for (let n = 0; n < 1_000; n++) log.add('192.0.2.9', 'unknown');
  expect(lines).toHaveLength(10);
  expect(lines[0]).toEqual({ remoteAddress: '192.0.2.9', why: 'unknown' });
  now += 60_000;
  log.add('192.0.2.7', 'unknown');
  log.add('192.0.2.7', 'unknown');
  expect(lines.slice(10)).toEqual([
    { remoteAddress: '192.0.2.7', why: 'unknown', othersBefore: 990 },
    { remoteAddress: '192.0.2.7', why: 'unknown' },
  ]);
});
