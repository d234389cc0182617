import { describe, expect, it } from 'vitest';
import { withSystemFolders } from '../../lab/system-path.ts';

describe('the PATH of an ordinary user', () => {
  it('leads to the programs of the system, too, after the user’s own', () => {
    expect(withSystemFolders('/home/user/bin:/usr/bin')).toBe(
      '/home/user/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin',
    );
  });

  it('may be missing, and never leads to the folder that one happens to be in', () => {
    expect(withSystemFolders(undefined)).toBe('/usr/local/sbin:/usr/sbin:/sbin');
    expect(withSystemFolders(':/usr/sbin::')).toBe('/usr/sbin:/usr/local/sbin:/sbin');
  });
});
