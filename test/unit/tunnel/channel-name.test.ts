import { describe, expect, it } from 'vitest';
import { checkChannelName, matchesChannel } from '../../../host-plugins/tunnel/channel-name.ts';

describe("a channel's name", () => {
  it.each([
    '',
    '/',
    'disk/',
    '/disk',
    'disk//x',
    '../x',
    'disk/..',
    'disk/*',
    'Disk/x',
    'a b',
    'disk/x?y',
    'a/b/c/d/e/f/g',
    `a/${'x'.repeat(65)}`,
    'disk/x\r\nHost: y',
  ])('is not %j', (name) => expect(() => checkChannelName(name)).toThrow(/not a channel's name/));

  it.each(['disk/work', 'memory/work/7', 'a', 'disk/my-vm_2.x'])('is %s', (name) => {
    expect(() => checkChannelName(name)).not.toThrow();
  });

  it.each([
    ['disk/work', 'disk/work', true],
    ['disk/work', 'disk/work2', false],
    ['disk/*', 'disk/work', true],
    ['disk/*', 'disk/work/7', false],
    ['disk/*', 'disk', false],
    ['memory/*/*', 'memory/work/7', true],
    ['memory/work/*', 'memory/play/7', false],
    ['*', 'disk/work', false],
    ['disk/w*', 'disk/work', false],
  ])('matched by %s: %s is %s', (pattern, name, expected) =>
    expect(matchesChannel(pattern, name)).toBe(expected),
  );
});
