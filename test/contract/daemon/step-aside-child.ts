// Steps aside for the time that is given, ms; prints the nice values of this process's threads, the first one first, while it does,
// and as soon as the first one has come back, and that of a program that it started meanwhile.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { HeldProgram } from '../../../host-plugins/system/process/held-program.ts';
import { stepAside } from '../../../host-plugins/system/process/step-aside.ts';

/** Field 19 of proc_pid_stat(5); the name before may hold anything. */
const niceOf = (thread: number): number =>
  Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[16]);
const threads = (): number[] =>
  readdirSync('/proc/self/task')
    .map(Number)
    .toSorted((a, b) => a - b);
const niceValues = (): number[] => threads().map(niceOf);

const { promise: started, resolve } = Promise.withResolvers<number>();
const onLine = (stat: string) => resolve(Number(stat.split(') ').at(-1)?.split(' ')[16]));

stepAside(Number(process.argv[2]));
const meanwhile = niceValues();
await HeldProgram.start(['cat', '/proc/self/stat'], { onLine }, AbortSignal.timeout(10_000));
const program = await started;
stepAside(Number(process.argv[2]));
while (niceOf(process.pid) !== 0) await delay(5);
process.stdout.write(JSON.stringify({ meanwhile, afterwards: niceValues(), program }));
