import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';
import { targets } from './targets.ts';

export const fuzzUsage = `usage: npm run fuzz -- [TARGET…] [--runs N] [--seed TEXT] [--case N]

Gives damaged bytes to what reads them, and looks that nothing wrong comes out, and nothing crashes, hangs or takes
memory without end. Runs on all processors; Ctrl-C ends it.

  TARGET      ${Object.keys(targets).join(', ')}; default: all, one after the other
  --runs N    so many cases of each; default 100000
  --seed TEXT of the cases; default: another one each time. It is printed
  --case N    only this case of the seed, in this process: for a debugger
  --help      show this
`;

export interface FuzzArguments {
  readonly names: readonly string[];
  readonly runs: number;
  readonly seed: string;
  readonly only: number | undefined;
  readonly help: boolean;
}

/** Throws `usage` for anything that it does not know. */
export function parseFuzzArguments(args: readonly string[]): FuzzArguments {
  const { values, positionals } = parse(args);
  const unknown = positionals.filter((name) => !(name in targets));
  if (unknown.length > 0) throw new DockError('usage', `no target ${unknown.join(', ')}\n\n${fuzzUsage}`);
  return {
    names: positionals.length === 0 ? Object.keys(targets) : positionals,
    runs: wholeNumber('--runs', values.runs ?? '100000', 1),
    seed: values.seed ?? randomBytes(6).toString('hex'),
    only: values.case === undefined ? undefined : wholeNumber('--case', values.case, 0),
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        runs: { type: 'string' },
        seed: { type: 'string' },
        case: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${fuzzUsage}`);
  }
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new DockError('usage', `${option} takes a whole number from ${least}, not "${text}"`);
}
