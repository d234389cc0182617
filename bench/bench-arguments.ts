import { parseArgs } from 'node:util';
import { DockError } from '../protocol/dock-error.ts';
import { wholeNumber } from './option-values.ts';

export interface BenchArguments {
  readonly runs: number;
  /** How long idle processes are watched in each run. */
  readonly idleSeconds: number;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const benchUsage = `usage: npm run bench -- [--runs N] [--idle SECONDS] [--json FILE]

Measures, in the lab and over an unshaped link, what the agent in the guest and wdockd cost when idle, and how long a
guest takes from running on its new host to fully adapted. Nothing is judged: compare with an earlier run on the same
machine.

  --runs N         so many runs, each with devices and a guest of its own; default 3
  --idle SECONDS   so long the idle processes are watched in each run; default 60
  --json FILE      also write every run's figures and their spread as one JSON object
  --help           show this
`;

/** @throws DockError `usage` for anything that it does not know */
export function parseBenchArguments(args: readonly string[]): BenchArguments {
  let values: { runs?: string; idle?: string; json?: string; help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        runs: { type: 'string' },
        idle: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${benchUsage}`);
  }
  return {
    runs: wholeNumber('--runs', values.runs ?? '3', 1, 100),
    idleSeconds: wholeNumber('--idle', values.idle ?? '60', 5, 3600),
    json: values.json,
    help: values.help ?? false,
  };
}
