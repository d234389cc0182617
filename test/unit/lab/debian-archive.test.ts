import { describe, expect, it } from 'vitest';
import { findArchive, parseAptSources } from '../../lab/image/debian-archive.ts';

describe('the archive this machine gets its Debian from', () => {
  it('is not one whose lines apt could not fill in', () => {
    expect(parseAptSources('bookworm $(CODENAME) \n\nbookworm bookworm nonsense')).toEqual([]);
  });

  it('is not that of another vendor or of the security updates', () => {
    const sources = parseAptSources(
      [
        'cloud-sdk-bookworm cloud-sdk-bookworm https://vendor.example/apt/',
        'bookworm-security bookworm-security http://archive.example/debian-security/',
        'bookworm bookworm http://archive.example/debian/',
      ].join('\n'),
    );
    expect(findArchive(sources, 'bookworm')).toBe('http://archive.example/debian/');
    expect(findArchive(sources, 'trixie')).toBeUndefined();
  });

  it('is found where the sources name the suite and not the release', () => {
    const sources = parseAptSources('stable trixie file:/srv/mirror/');
    expect(findArchive(sources, 'trixie')).toBe('file:/srv/mirror/');
  });

  it('is found by release before the package lists were ever read', () => {
    expect(findArchive(parseAptSources('trixie $(CODENAME) http://a.example/debian/'), 'trixie')).toBe(
      'http://a.example/debian/',
    );
  });
});
