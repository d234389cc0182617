#!/usr/bin/env node
import { nodeVersionProblem } from '../daemon/node-version.ts';

// Before any other import: an older Node would fail on them with a message that explains nothing.
const problem = nodeVersionProblem(process.version);
if (problem !== undefined) {
  console.error(`wdock: ${problem}`);
  process.exit(1);
}
const [{ runWdock }, { processTerminal }, { interruptions }] = await Promise.all([
  import('./program.ts'),
  import('./terminal.ts'),
  import('./interruptions.ts'),
]);

// `wdock watch | head` ends when head does, as other programs do
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await runWdock(process.argv.slice(2), {
  terminal: processTerminal(process.env),
  environment: process.env,
  ...interruptions(),
});
// what is still open (a call that was left after the second Ctrl-C) holds nobody here
process.exit();
