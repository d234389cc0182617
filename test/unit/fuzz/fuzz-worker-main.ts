// A thread of fuzz-main.ts: runs its share of the cases of one target.
import { parentPort, workerData } from 'node:worker_threads';
import { type Cases, runCases } from './run-cases.ts';
import { targets } from './targets.ts';

const { target, cases, at } = workerData as { target: string; cases: Cases; at: SharedArrayBuffer };
/** The case that is being run, and how many have been: for whoever looks whether it goes on. */
const progress = new Float64Array(at);

const make = targets[target];
if (make === undefined) throw new Error(`no target ${target}`);
const fault = runCases(make(), cases, (caseNumber) => {
  progress[0] = caseNumber;
  progress[1] = (progress[1] ?? 0) + 1;
});
parentPort?.postMessage({ fault });
