import { renderDecisions } from '../../../policies/render-decisions.ts';
import { type CommandRun, done } from '../command-context.ts';
import { renderPresence } from '../render/render-presence.ts';
import type { AboutOptions } from './answer.ts';

/** Every trigger in force, with the rule that set it. */
export async function triggers(run: CommandRun, { workspace, device }: AboutOptions): Promise<number> {
  const params = {
    ...(workspace === undefined ? {} : { workspace }),
    ...(device === undefined ? {} : { device }),
  };
  const rules = await run.withDaemon((daemon) =>
    daemon.call('presence.rules', params, { signal: run.signal }),
  );
  const width = run.terminal.columns ?? 100;
  const text = rules.map(
    ({ status, decisions }) => `${renderPresence(status)}\n\n${renderDecisions(decisions, width)}`,
  );
  run.print(
    { rules },
    rules.length === 0 ? 'No other devices; pair with one with `wdock pair`.' : text.join('\n\n'),
  );
  return done;
}
