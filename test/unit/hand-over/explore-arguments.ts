import { parseArgs } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';

export interface ExploreArguments {
  readonly trips: number;
  /** Resume the source after *released*, to see the exploration find it. */
  readonly plantBug: boolean;
  readonly help: boolean;
}

export const exploreUsage = `usage: npm run explore -- [--trips N] [--plant-bug]

Visits every state that the hand-over can get into, whatever is lost, cut, killed or written badly on the way.

  --trips N      hand-overs one after the other, 1 or 2; default 1. Two take some minutes and 2 GB
  --plant-bug    resume the source after it has released the VM, and see it found
  --help         show this
`;

/** @throws DockError `usage` for anything that it does not know */
export function parseExploreArguments(args: readonly string[]): ExploreArguments {
  let values: { trips?: string; 'plant-bug'?: boolean; help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        trips: { type: 'string' },
        'plant-bug': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${exploreUsage}`);
  }
  const { trips = '1', 'plant-bug': plantBug = false, help = false } = values;
  if (!/^[12]$/.test(trips)) throw new DockError('usage', `--trips takes 1 or 2, not "${trips}"`);
  return { trips: Number(trips), plantBug, help };
}
