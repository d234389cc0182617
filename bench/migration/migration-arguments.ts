import { parseArgs } from 'node:util';
import { DockError } from '../../protocol/dock-error.ts';
import { type GuestLoad, guestLoads } from '../../test/lab/loads/load-names.ts';
import { type LinkShapeName, linkShapeNames } from '../../test/lab/network/link-shape.ts';
import { chosenNames, wholeNumber } from '../option-values.ts';
import { type SystemName, systemNames } from './figures.ts';

export interface MigrationArguments {
  readonly quick: boolean;
  readonly repetitions: number;
  readonly loads: readonly GuestLoad[];
  readonly links: readonly LinkShapeName[];
  readonly systems: readonly SystemName[];
  /** So many moves in a row instead of the comparison. */
  readonly moves: number | undefined;
  /** Moves through cuts of the links instead of the comparison. */
  readonly cuts: boolean;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly help: boolean;
}

export const migrationUsage = `usage: npm run bench:migration -- [--quick] [--runs N] [--loads L,…] [--links L,…] [--systems S,…]
                                  [--json FILE] [--svg FILE]
       npm run bench:migration -- --moves N [--links L] [--loads L] [--json FILE]
       npm run bench:migration -- --cuts [--links L] [--loads L] [--json FILE]

Moves the same settled guest with QEMU alone as it comes (stock), with QEMU alone and all that helps it (stock-best:
multifd, zstd, free-page hints) and with Wireless Dock+ (wdock), in turns, over the same link of the lab, and shows
bytes, times, silence, processor time and memory side by side. Nothing but the guest's memory and disk is judged.

  --quick        only what the project's limits are about: wifi70, idle and page-cache, two runs; about a quarter of
                 an hour without KVM. Says of each limit whether it holds
  --runs N       so many runs of everything; default 3, with --quick 2
  --loads L,…    ${guestLoads.join(', ')}; default all
  --links L,…    ${linkShapeNames.join(', ')}; default wifi70, ethernet100
  --systems S,…  ${systemNames.join(', ')}; default all
  --moves N      instead: N moves of wdock in a row while the guest checks its memory and its disk
  --cuts         instead: wdock there and back with all links cut for 30 s, at 10, 50 and 90 per cent and in the switch-over,
                 and for a minute over two links of which one is lost at random; about ten minutes
  --json FILE    also write every trip as one JSON object
  --svg FILE     also draw the medians as a picture
  --help         show this
`;

/** @throws DockError `usage` for anything that it does not know */
export function parseMigrationArguments(args: readonly string[]): MigrationArguments {
  const values = parse(args);
  const quick = values.quick ?? false;
  const moves = values.moves === undefined ? undefined : wholeNumber('--moves', values.moves, 1, 1000);
  const cuts = values.cuts ?? false;
  const instead = moves !== undefined ? '--moves' : cuts ? '--cuts' : undefined;
  if (instead !== undefined) {
    if (quick || values.runs || values.systems || values.svg || (cuts && moves !== undefined))
      throw new DockError('usage', `${instead} goes with --links, --loads and --json only`);
  }
  const chosen = <Name extends string>(
    option: string,
    names: readonly Name[],
    usual: readonly Name[],
    given?: string,
  ) => (given === undefined ? usual : chosenNames(option, names, given));
  const compared: readonly LinkShapeName[] = quick ? ['wifi70'] : ['wifi70', 'ethernet100'];
  const links: readonly LinkShapeName[] = moves !== undefined ? ['unshaped'] : cuts ? ['wifi70'] : compared;
  const loads: readonly GuestLoad[] = quick ? ['idle', 'page-cache'] : guestLoads;
  const found: MigrationArguments = {
    quick,
    repetitions: wholeNumber('--runs', values.runs ?? (quick ? '2' : '3'), 1, 100),
    loads: chosen('--loads', guestLoads, instead === undefined ? loads : ['idle'], values.loads),
    links: chosen('--links', linkShapeNames, links, values.links),
    systems: chosen('--systems', systemNames, systemNames, values.systems),
    moves,
    cuts,
    json: values.json,
    svg: values.svg,
    help: values.help ?? false,
  };
  if (instead !== undefined && (found.links.length > 1 || found.loads.length > 1)) {
    throw new DockError('usage', `${instead} takes one link and one load`);
  }
  return found;
}

function parse(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    return parseArgs({
      args: [...args],
      options: {
        ...{ quick: flag, help: flag, cuts: flag, runs: text, moves: text },
        ...{ loads: text, links: text, systems: text, json: text, svg: text },
      },
    }).values;
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${migrationUsage}`);
  }
}
