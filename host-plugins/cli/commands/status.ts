import { type CommandRun, done } from '../command-context.ts';
import { renderStatus } from '../render/render-status.ts';

export async function status(run: CommandRun): Promise<number> {
  const result = await run.withDaemon((daemon) => daemon.call('status', {}, { signal: run.signal }));
  run.print(result, renderStatus(result, run.terminal.columns));
  return done;
}
