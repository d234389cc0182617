import { describe, expect, it } from 'vitest';
import { placementBetween } from '../../../host-plugins/presence/place-of.ts';
import type { WorkspacePlace } from '../../../host-plugins/presence/workspace-places.ts';

const between = (home: string, where: WorkspacePlace['where']) =>
  placementBetween({ name: 'work', home, policy: undefined, where }, 'self', 'other');

describe('where a workspace is between two devices', () => {
  it.each([
    ['self', { at: 'self' }, 'home'],
    ['self', { at: 'other' }, 'docked'],
    ['self', { at: 'third' }, 'other'],
    ['self', 'moving', 'moving'],
    ['self', 'none', 'other'],
    ['other', { at: 'self' }, 'docked'],
    ['other', 'moving', 'moving'],
  ] as const)('of %s, being %j, is %s', (home, where, expected) => {
    expect(between(home, where)).toBe(expected);
  });

  it.each([
    ['other', { at: 'other' }],
    ['other', { at: 'third' }],
    ['other', 'none'],
    ['third', { at: 'self' }],
  ] as const)('of %s, being %j, is no concern of theirs', (home, where) => {
    expect(between(home, where)).toBeUndefined();
  });
});
