import { createInterface } from 'node:readline/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { CommandRun } from './command-context.ts';

/** Whether somebody sits there who can be asked: standard input is a terminal, and so is the output. */
export function canAsk(run: CommandRun): boolean {
  return process.stdin.isTTY && run.terminal.columns !== undefined;
}

/** Only the whole word counts as a yes: Enter is no answer to a question about a risk. Throws `cancelled` on Ctrl-C. */
export async function askYes(question: string, signal: AbortSignal): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    return (await prompt.question(question, { signal })).trim().toLowerCase() === 'yes';
  } catch (error) {
    throw DockError.from(signal.aborted ? signal.reason : error, 'cancelled');
  } finally {
    prompt.close();
  }
}
