import { describe, expect, it } from 'vitest';
import { mountUnit } from '../../../guest-agent/decide/mount-unit.ts';

describe('the unit of a mount point', () => {
  it.each(['/', '', 'home', '/home/../etc', '/./x'])('is none for "%s"', (path) => {
    expect(mountUnit(path)).toBeUndefined();
  });

  // As `systemd-escape --path --suffix=mount` of systemd 252 prints them.
  it.each([
    ['/home', 'home.mount'],
    ['/home/me/private', 'home-me-private.mount'],
    ['/home//me/', 'home-me.mount'],
    ['/srv/a-b', 'srv-a\\x2db.mount'],
    ['/.hidden/x', '\\x2ehidden-x.mount'],
    ['/mnt/ä b', 'mnt-\\xc3\\xa4\\x20b.mount'],
    ['/a.b:c_d', 'a.b:c_d.mount'],
  ])('of %s is %s', (path, unit) => {
    expect(mountUnit(path)).toBe(unit);
  });
});
