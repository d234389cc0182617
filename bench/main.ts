// `npm run bench`: what the agent and wdockd cost, and how long a guest takes to adapt; each with its spread.
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { readAccelerator } from '../host-plugins/qemu/accelerator.ts';
import { provideGuestWithAgent } from '../test/lab/lab.ts';
import { provideImageWithAgent } from '../test/lab/lab-guest.ts';
import { rerunAsLabRoot } from '../test/lab/lab-root.ts';
import { runMain } from '../test/lab/run-main.ts';
import { benchUsage, parseBenchArguments } from './bench-arguments.ts';
import { describeMachine } from './describe-machine.ts';
import { measureRun } from './measure-run.ts';
import { measureStock } from './measure-stock.ts';
import type { RunFigures } from './metrics.ts';
import { renderFigures, summarize } from './render-figures.ts';

const beganMs = performance.now();

await runMain(async (args, signal) => {
  const options = parseBenchArguments(args);
  if (options.help) return say(benchUsage);
  if (await rerunAsLabRoot(() => provideImageWithAgent(progress, signal), signal)) return;
  const { accelerator, reason } = await readAccelerator();
  const machine = describeMachine();
  say(`machine: ${machine.cpus} x ${machine.cpu}, ${machine.memoryMiB} MiB, Linux ${machine.kernel}`);
  say(`accelerator: ${accelerator} (${reason}); both devices are simulated; link: unshaped\n`);
  const guest = await provideGuestWithAgent(progress, signal);
  const runs: RunFigures[] = [];
  const loads: number[] = [];
  for (let run = 1; run <= options.runs; run++) {
    progress(`run ${run} of ${options.runs}`);
    const figures = await measureRun(guest, options.idleSeconds, progress, signal);
    loads.push(loadavg()[0] as number);
    const stock = await measureStock(guest, progress, signal);
    runs.push({
      ...figures,
      stockMs: stock.totalMs,
      ...(stock.downtimeMs !== null && { stockDowntimeMs: stock.downtimeMs }),
      dockMovePerStock: (figures.dockMoveMs ?? Number.NaN) / stock.totalMs,
    });
  }
  say(`\n${renderFigures(runs)}\n\n${options.runs} runs in ${seconds()} s`);
  say(`load of the machine during the trips: ${loads.map((load) => load.toFixed(1)).join(', ')}`);
  if (options.json === undefined) return;
  const { idleSeconds } = options;
  const result = { simulated: true, accelerator, link: 'unshaped', idleSeconds, machine };
  await writeFile(options.json, `${JSON.stringify({ ...result, loads, runs, spread: summarize(runs) })}\n`);
  say(`written: ${options.json}`);
});

function seconds(): string {
  return ((performance.now() - beganMs) / 1000).toFixed(0);
}

function progress(text: string): void {
  say(`${seconds().padStart(4)} s  ${text}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
