import { createInterface } from 'node:readline';
import { DockError } from '../../../protocol/dock-error.ts';

/** What a helper process does until its standard input ends: a request a line, an answer a line, one after the other. */
export async function answerLines(answer: (line: string) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    let reply: object;
    try {
      reply = { result: await answer(line) };
    } catch (error) {
      reply = { error: DockError.from(error).toData() };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}
