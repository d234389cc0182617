import { DockError } from '../protocol/dock-error.ts';

/** @throws DockError `usage` */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new DockError('usage', `${option} takes a whole number from ${least} to ${most}, not "${text}"`);
}

/** The names in a list with commas, each once and in the order in which they are known. @throws DockError `usage` */
export function chosenNames<Name extends string>(
  option: string,
  names: readonly Name[],
  text: string,
): readonly Name[] {
  const given = text.split(',');
  const wrong = given.find((one) => !names.includes(one as Name));
  if (wrong === undefined) return names.filter((name) => given.includes(name));
  throw new DockError('usage', `${option} takes ${names.join(', ')}, with commas between, not "${wrong}"`);
}
