// Steps aside for the time that is given, ms; prints the nice values of this process's threads, the first one first, while it does,
// and as soon as the first one has come back.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { stepAside } from '../../../host-plugins/system/process/step-aside.ts';

/** Field 19 of proc_pid_stat(5); the name before may hold anything. */
const niceOf = (thread: number): number =>
  Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[16]);
const threads = (): number[] =>
  readdirSync('/proc/self/task')
    .map(Number)
    .toSorted((a, b) => a - b);
const niceValues = (): number[] => threads().map(niceOf);

stepAside(Number(process.argv[2]));
const meanwhile = niceValues();
stepAside(Number(process.argv[2]));
while (niceOf(process.pid) !== 0) await delay(5);
process.stdout.write(JSON.stringify({ meanwhile, afterwards: niceValues() }));
