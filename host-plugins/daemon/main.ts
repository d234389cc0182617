#!/usr/bin/env node
import { nodeVersionProblem } from './node-version.ts';

// Before any other import: an older Node would fail on them with a message that explains nothing.
const problem = nodeVersionProblem(process.version);
if (problem !== undefined) {
  console.error(`wdockd: ${problem}`);
  process.exit(1);
}
const { runWdockd } = await import('./run-wdockd.ts');
// everything is stopped and written; a handle that some library still holds must not keep a stopped wdockd
process.exit(await runWdockd(process.argv.slice(2)));
