import { version as ownVersion } from '../../daemon/version.ts';
import { type CommandRun, done } from '../command-context.ts';

export async function version(run: CommandRun): Promise<number> {
  run.print({ version: ownVersion, node: process.version }, `wdock ${ownVersion} (Node ${process.version})`);
  return done;
}
