import type { Check, PluginReport } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { nodeVersionProblem } from '../../daemon/node-version.ts';
import { type CommandRun, done } from '../command-context.ts';
import { exitCodeOf, exitCodes, isDaemonGone } from '../exit-code.ts';
import { renderDoctor } from '../render/render-doctor.ts';

/** What works here and what does not; also without wdockd, whose absence is then the first finding. */
export async function doctor(run: CommandRun): Promise<number> {
  const nodeProblem = nodeVersionProblem(process.version);
  const node: Check =
    nodeProblem === undefined
      ? { name: 'node', state: 'ok', detail: process.version }
      : { name: 'node', state: 'failed', detail: nodeProblem };
  let checks: Check[];
  let plugins: PluginReport[] = [];
  let exit: number = done;
  try {
    const found = await run.withDaemon((daemon) => daemon.call('doctor', {}, { signal: run.signal }));
    checks = [node, { name: 'wdockd', state: 'ok', detail: 'runs and answers' }, ...found.checks];
    plugins = found.plugins;
    if (checks.some(({ state }) => state === 'failed')) exit = exitCodes.failed;
  } catch (thrown) {
    const error = DockError.from(thrown);
    if (!isDaemonGone(error)) throw error;
    checks = [node, { name: 'wdockd', state: 'failed', detail: error.message }];
    exit = exitCodeOf(error);
  }
  run.print({ checks, plugins }, renderDoctor(checks, plugins, run.terminal.columns));
  return exit;
}
