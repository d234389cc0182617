#!/usr/bin/env node
import { nodeVersionProblem } from '../daemon/node-version.ts';

// Before any other import: an older Node would fail on them with a message that explains nothing.
const problem = nodeVersionProblem(process.version);
if (problem !== undefined) {
  console.error(`wdock: ${problem}`);
  process.exit(1);
}
const [{ runWdock }, { processTerminal }, { interruptions }, { endWhenOutputFails, printed }] =
  await Promise.all([
    import('./program.ts'),
    import('./terminal.ts'),
    import('./interruptions.ts'),
    import('./standard-output.ts'),
  ]);

endWhenOutputFails();
process.exitCode = await runWdock(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  environment: process.env,
  ...interruptions(),
});
await printed();
// what is still open (a call that was left after the second Ctrl-C) holds nobody here
process.exit();
