import { DockError } from '../../../protocol/dock-error.ts';
import { type CommandRun, done } from '../command-context.ts';

export interface AboutOptions {
  readonly workspace?: string;
  readonly device?: string;
}

/** Answers what a trigger asks. */
export async function answer(run: CommandRun, given: string, options: AboutOptions): Promise<number> {
  if (given !== 'yes' && given !== 'no') {
    throw new DockError('usage', `"${given}" is no answer; write yes or no`);
  }
  const { workspace, device } = options;
  const params = {
    answer: given,
    ...(workspace === undefined ? {} : { workspace }),
    ...(device === undefined ? {} : { device }),
  } as const;
  const asked = await run.withDaemon((daemon) =>
    daemon.call('presence.answer', params, { signal: run.signal }),
  );
  const trip = `${asked.question?.trip} of ${asked.workspace}, ${asked.device}`;
  const follows = given === 'yes' ? 'it begins; `wdock watch` shows it' : 'it does not happen';
  run.print({ answered: given, asked }, `${trip}: ${given}; ${follows}.`);
  return done;
}
