import { describe, expect, it } from 'vitest';
import { withoutOutsideLinks } from '../../../packaging/help/package-page.ts';

describe('a page of the documentation in the package', () => {
  it('names files of the source that the package does not have, without a link', () => {
    expect(withoutOutsideLinks('see [CONTRIBUTING](../CONTRIBUTING.md), [it](../x/y.ts#z).', '.')).toBe(
      'see CONTRIBUTING, it.',
    );
    expect(withoutOutsideLinks('[up](../../README.md)', 'decisions')).toBe('up');
  });

  it.each([
    ['.', '[a](decisions/1.md)'],
    ['.', '[a](cli.md#json)'],
    ['.', '[a](#here)'],
    ['.', '[a](https://example.org/../x)'],
    ['decisions', '[a](../networking.md)'],
  ])('in %s keeps %s', (folder, link) => {
    expect(withoutOutsideLinks(link, folder)).toBe(link);
  });
});
