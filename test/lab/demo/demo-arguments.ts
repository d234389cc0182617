import { parseArgs } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';
import { type LinkShapeName, linkShapeNames } from '../network/link-shape.ts';

export interface DemoArguments {
  /** Round trips. */
  readonly trips: number;
  readonly link: LinkShapeName;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const demoUsage = `usage: npm run demo -- [--trips N] [--link LINK] [--json FILE]

Docks a running Debian VM from a simulated mobile device to a simulated PC, and undocks it again.

  --trips N     so many round trips; default 1
  --link LINK   ${linkShapeNames.join(', ')}; default ethernet100
  --json FILE   also write the outcome as one JSON object
  --help        show this
`;

/** Throws `usage` for anything that it does not know. */
export function parseDemoArguments(args: readonly string[]): DemoArguments {
  let values: { trips?: string; link?: string; json?: string; help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        trips: { type: 'string' },
        link: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${demoUsage}`);
  }
  const trips = values.trips === undefined ? 1 : Number(values.trips);
  if (!Number.isInteger(trips) || trips < 1 || trips > 1000) {
    throw new DockError('usage', `--trips takes a whole number from 1 to 1000, not "${values.trips}"`);
  }
  const link = linkShapeNames.find((name) => name === (values.link ?? 'ethernet100'));
  if (link === undefined) {
    throw new DockError('usage', `--link takes ${linkShapeNames.join(', ')}, not "${values.link}"`);
  }
  return { trips, link, json: values.json, help: values.help ?? false };
}
