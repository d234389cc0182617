import type { Docking } from '../../../protocol/docking.ts';
import { hang } from './table.ts';

/** A sentence, and below it what to do. */
export function renderDocking({ detail, remedy }: Docking, width?: number): string[] {
  return [
    hang('- ', `${detail}.`, width),
    ...(remedy === undefined ? [] : [hang('  -> ', `${remedy}.`, width)]),
  ];
}
