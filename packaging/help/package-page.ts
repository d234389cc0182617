import { posix } from 'node:path';

/**
 * A page of docs/ as it stands in the package: a link to a file of the source outside of docs/ is its text alone.
 * @param folder where the page is, below docs/; `.` for those at its top
 */
export function withoutOutsideLinks(page: string, folder: string): string {
  return page.replace(/(?<!!)\[([^\]]+)\]\(([^)\s]+)\)/g, (link: string, text: string, target: string) => {
    const isFile = !/^([a-z]+:|#)/.test(target);
    return isFile && posix.join(folder, target).startsWith('..') ? text : link;
  });
}
