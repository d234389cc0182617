import { describe, expect, it } from 'vitest';
import { parseSender } from '../../lab/network/frame-capture.ts';

describe('a line of a capture', () => {
  it.each([
    '> 2026/11/23 20:45:29.000545701  length=42 from=256 to=297',
    '2026/11/23 20:45:29 socat[77] N opening interface "monitor1"',
    ' ff ff ff ff ff ff 52 54 00',
    '',
  ])('is no frame: %j', (line) => {
    expect(parseSender(line)).toBeUndefined();
  });

  it('is a frame, whose sender stands after its receiver', () => {
    const line = ' ff ff ff ff ff ff 52 54 00 77 00 21 08 06 00 01 08 00 06 04 00 01';
    expect(parseSender(line)).toBe('52:54:00:77:00:21');
  });
});
