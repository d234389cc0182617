import { DockError } from '../../protocol/dock-error.ts';

/**
 * Channels are named by words with slashes between them, e.g. `disk/work` or `memory/work/7`. A pattern is a name
 * in which a word may be `*`, which stands for exactly one word.
 */
const word = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const maxWords = 6;

/** Throws `usage`. */
export function checkChannelName(name: string): void {
  const words = name.split('/');
  if (words.length <= maxWords && words.every((part) => word.test(part))) return;
  throw new DockError('usage', `"${name.slice(0, 80)}" is not a channel's name, such as disk/work`);
}

export function matchesChannel(pattern: string, name: string): boolean {
  const expected = pattern.split('/');
  const words = name.split('/');
  return expected.length === words.length && expected.every((part, at) => part === '*' || part === words[at]);
}
