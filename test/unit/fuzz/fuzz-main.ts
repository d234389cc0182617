// `npm run fuzz`: damaged bytes for what reads them.
import { availableParallelism } from 'node:os';
import { runMain } from '../../lab/run-main.ts';
import { fuzzUsage, parseFuzzArguments } from './fuzz-arguments.ts';
import { FuzzThread } from './fuzz-thread.ts';
import { type Fault, runCases } from './run-cases.ts';
import { targets } from './targets.ts';

const tellEveryMs = 5_000;

await runMain(async (args, signal) => {
  const { names, runs, seed, only, help } = parseFuzzArguments(args);
  if (help) return console.log(fuzzUsage);
  for (const name of names) {
    if (only !== undefined) {
      const make = targets[name];
      const fault = make && runCases(make(), { seed, first: only, count: 1, step: 1 });
      console.log(`${name}, case ${only} of seed ${seed}: ${fault?.message ?? 'as it should be'}`);
      if (fault !== undefined) process.exitCode = 1;
      continue;
    }
    const fault = await fuzz(name, runs, seed, signal);
    if (fault === undefined) continue;
    console.error(`${name}: ${fault.message}`);
    console.error(`again: npm run fuzz -- ${name} --seed ${seed} --case ${fault.caseNumber}`);
    process.exitCode = 1;
    return;
  }
});

/** In as many threads as there are processors; returns the first case that went wrong. */
async function fuzz(
  name: string,
  runs: number,
  seed: string,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  const begin = performance.now();
  const count = Math.min(runs, availableParallelism());
  const threads = Array.from({ length: count }, (_, first) => new FuzzThread(name, runs, seed, first, count));
  const done = (): number => threads.reduce((sum, thread) => sum + thread.done, 0);
  const seconds = (): string => ((performance.now() - begin) / 1000).toFixed(0);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Fault | undefined>();
  const timer = setInterval(() => {
    const hangs = threads.map((thread) => thread.look()).find((fault) => fault !== undefined);
    if (hangs !== undefined) stop(hangs);
    const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
    console.log(`${seconds().padStart(5)} s  ${name}: ${done()} of ${runs} cases, ${rss} MiB`);
  }, tellEveryMs);
  const onAbort = (): void => stop(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  const all = Promise.all(
    threads.map(async (thread) => {
      const fault = await thread.over;
      if (fault !== undefined) stop(fault);
    }),
  );
  try {
    const fault = await Promise.race([stopped, all.then(() => undefined)]);
    signal.throwIfAborted();
    const what = fault === undefined ? 'all as they should be' : `case ${fault.caseNumber} is not`;
    console.log(`${name}: ${done()} cases of seed ${seed} in ${seconds()} s, ${what}`);
    return fault;
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', onAbort);
    for (const thread of threads) await thread.end();
  }
}
