// `npm run bench:migration`: the same guest moved by QEMU alone and by Wireless Dock+, in turns, over the same link.
import { writeFile } from 'node:fs/promises';
import { readAccelerator } from '../../host-plugins/qemu/accelerator.ts';
import { ResultFile } from '../../test/lab/demo/result-file.ts';
import { describeEmulator } from '../../test/lab/emulator/lab-emulator.ts';
import { provideGuestWithAgent } from '../../test/lab/lab.ts';
import { provideImageWithAgent } from '../../test/lab/lab-guest.ts';
import { rerunAsLabRoot } from '../../test/lab/lab-root.ts';
import { runMain } from '../../test/lab/run-main.ts';
import { describeMachine } from '../describe-machine.ts';
import { compareSystems } from './compare-systems.ts';
import { moveThroughCuts, renderCuts } from './cut-links.ts';
import { drawTrips } from './draw-trips.ts';
import { judgeLimits } from './judge-limits.ts';
import { moveManyTimes, renderManyMoves } from './many-moves.ts';
import { migrationUsage, parseMigrationArguments } from './migration-arguments.ts';
import { buildResult } from './migration-result.ts';
import { renderComparison, renderJudgements, renderWdock } from './render-trips.ts';
import { summarizeTrips } from './summarize-trips.ts';

const beganMs = performance.now();

await runMain(async (args, signal) => {
  const options = parseMigrationArguments(args);
  if (options.help) return say(migrationUsage);
  await using file = options.json === undefined ? undefined : await ResultFile.open(options.json);
  if (await rerunAsLabRoot(() => provideImageWithAgent(progress, signal), signal)) return;
  const { accelerator, reason } = await readAccelerator();
  const machine = describeMachine();
  const guest = await provideGuestWithAgent(progress, signal);
  const qemu = describeEmulator(guest.settled.emulator);
  say(`machine: ${machine.cpus} x ${machine.cpu}, ${machine.memoryMiB} MiB, Linux ${machine.kernel}`);
  say(
    `accelerator: ${accelerator} (${reason}); ${qemu} for all; both devices are simulated, the VM is real\n`,
  );
  const [link, load] = [options.links[0] ?? 'unshaped', options.loads[0] ?? 'idle'];
  if (options.cuts) {
    const result = await moveThroughCuts(guest, { link, load }, progress, signal);
    say(`\n${renderCuts(result)}\n\nin all ${seconds()} s`);
    await file?.write({ simulated: true, accelerator, qemu, machine, link, load, ...result });
    if (result.failures.length > 0) process.exitCode = 1;
    return;
  }
  if (options.moves !== undefined) {
    const result = await moveManyTimes(guest, { link, load, moves: options.moves }, progress, signal);
    say(`\n${renderManyMoves(result)}\n\nin all ${seconds()} s`);
    await file?.write({ simulated: true, accelerator, qemu, machine, link, load, ...result });
    if (result.failures.length > 0) process.exitCode = 1;
    return;
  }
  const { trips, linkMbit, unfinished } = await compareSystems(guest, options, progress, signal);
  const summaries = summarizeTrips(trips);
  const judgements = options.quick ? judgeLimits(summaries) : [];
  say(`\nmedians, and the least and the greatest; total: from the asking until the VM runs at the other end`);
  say(`\n${renderComparison(summaries)}`);
  const own = renderWdock(summaries);
  if (own !== '') say(`\nwdock, what is compared and what is not\n${own}`);
  if (judgements.length > 0)
    say(`\nlimits of the project, by medians of this run\n${renderJudgements(judgements)}`);
  for (const { what, reason: why } of unfinished) say(`\n${what}: ${why}`);
  say(`\nin all ${seconds()} s`);
  if (file !== undefined) {
    await file.write(buildResult(trips, { accelerator, qemu, machine, linkMbit }, judgements, unfinished));
    say(`written: ${file.path}`);
  }
  if (options.svg !== undefined) {
    const caption = `${machine.cpus} x ${machine.cpu}, ${accelerator}, ${qemu}; medians of ${options.repetitions}`;
    await writeFile(options.svg, drawTrips(summaries, caption));
    say(`drawn: ${options.svg}`);
  }
  // That QEMU alone does not get a guest across that writes faster than the link carries is a result.
  if (unfinished.some(({ kind }) => kind !== 'timeout')) process.exitCode = 1;
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
