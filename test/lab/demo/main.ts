// `npm run demo`: two simulated devices, one real VM, docked and undocked while it runs.
import { writeFile } from 'node:fs/promises';
import { progressView } from '../../../host-plugins/cli/progress/progress-view.ts';
import { renderTrip } from '../../../host-plugins/cli/render/render-trip.ts';
import { processTerminal } from '../../../host-plugins/cli/terminal.ts';
import { readAccelerator } from '../../../host-plugins/qemu/accelerator.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import { Lab, provideGuestWithAgent } from '../lab.ts';
import { provideImageWithAgent } from '../lab-guest.ts';
import { rerunAsLabRoot } from '../lab-root.ts';
import { GapProbe } from '../network/gap-probe.ts';
import { runMain } from '../run-main.ts';
import { findIoErrors } from '../state/find-io-errors.ts';
import { VerifyWatch } from '../verify/verify-watch.ts';
import { demoUsage, parseDemoArguments } from './demo-arguments.ts';
import { judgeTrip } from './judge-trip.ts';
import { NetworkDemo } from './network-demo.ts';

const beganMs = performance.now();

await runMain(async (args, signal) => {
  const options = parseDemoArguments(args);
  if (options.help) return say(demoUsage);
  const { link, midLink, network } = options;
  // What a move costs the connections is that of QEMU's newest; what this machine's costs without KVM is in decision 4.
  const emulator = network === undefined ? 'own' : 'newest';
  if (await rerunAsLabRoot(() => provideImageWithAgent(progress, signal, emulator), signal)) return;
  const { accelerator, reason } = await readAccelerator();
  say(`The demo runs on this machine alone: both devices are simulated, the VM is real.`);
  const links = link === midLink ? link : `${midLink} (mid), ${link} (pc)`;
  say(`accelerator: ${accelerator} (${reason}); link: ${links}\n`);
  const guest = await provideGuestWithAgent(progress, signal, emulator);
  await using lab = await Lab.start(guest, { link, midLink, layout: network ?? 'lan', progress }, signal);
  await using probe = await GapProbe.start(lab.network.client, lab.guestAddress, limit(signal, 60_000));
  await using load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, limit(signal, 60_000));
  progress(
    'a load in the guest checks its memory and its disk, over one TCP connection from a client on the LAN',
  );
  await using watched = network === undefined ? undefined : await NetworkDemo.start(lab, say, signal);
  if (watched !== undefined) progress('connections with data in them are held with the guest, both ways');

  const trips: object[] = [];
  const failures: string[] = [];
  const trip = async (command: readonly ['dock', string] | readonly ['undock']): Promise<TripOutcome> => {
    const view = progressView(processTerminal(process.env), false);
    probe.mark();
    await watched?.mark(signal);
    const outcome = await lab.mid
      .trip(
        command,
        (event) => {
          view.show(event);
          watched?.note(event);
        },
        signal,
      )
      .finally(() => view.close());
    await probe.nextReply(limit(signal, 30_000));
    const { networkGapMs } = probe.measure();
    say(`\n${renderTrip(outcome)}`);
    say(`  the client on the LAN saw the guest silent for at most ${Math.round(networkGapMs)} ms`);
    const { workspace: _, epoch: __, simulated: ___, ...told } = outcome;
    const seen = await watched?.measure(outcome, signal);
    const networkSeen = seen === undefined ? {} : { network: seen };
    trips.push({ ...told, networkGapMs: Math.round(networkGapMs), ...networkSeen });
    return outcome;
  };
  for (let round = 1; round <= options.trips; round++) {
    for (const command of [['dock', 'pc'], ['undock']] as const) {
      say(
        `\n$ wdock ${command.join(' ')}${options.trips > 1 ? `        # round ${round} of ${options.trips}` : ''}`,
      );
      failures.push(...judgeTrip(await trip(command)));
      const { memory, disk } = (await load.nextReport(limit(signal, 60_000))) ?? load.latest;
      if (memory.mismatches + disk.mismatches + disk.ioErrors > 0) {
        failures.push(`the load in the guest found ${JSON.stringify({ memory, disk })}`);
      }
    }
  }
  const verdict = await load.verdict(limit(signal, 120_000));
  const { checkedPages, mismatches } = verdict.memory;
  say(
    `\nmemory of the guest: ${verdict.verdict}; ${checkedPages} pages compared, ${mismatches} mismatches; ` +
      `disk: ${verdict.disk.records} records, ${verdict.disk.ioErrors} I/O errors; the connection stayed open`,
  );
  if (verdict.verdict !== 'intact') failures.push('the guest’s memory or disk is damaged');
  const networkResult = await watched?.finish(signal);
  if (watched !== undefined && network === 'two-lans') {
    say(`\n$ wdock dock pc        # to see the anchor go`);
    await trip(['dock', 'pc']);
    // Everything that the client holds with the guest.
    await Promise.all([probe, load].map((held) => held[Symbol.asyncDispose]()));
    await watched.closeAndSeeAnchorGo(signal);
  }
  failures.push(...(watched?.failures ?? []));
  const ioErrors = await findIoErrors(lab.folder);
  failures.push(...ioErrors.map((line) => `in the guest's log: ${line}`));
  if (options.json !== undefined) {
    const result = { simulated: true, accelerator, link, midLink, trips };
    const watchedResult =
      networkResult === undefined ? {} : { network: { layout: network, ...networkResult } };
    await writeFile(options.json, `${JSON.stringify({ ...result, ...watchedResult })}\n`);
    say(`written: ${options.json}`);
  }
  if (failures.length > 0)
    throw new DockError('internal', `\nNot as it should be:\n  ${failures.join('\n  ')}`);
  say(`\nEvery outcome is as it should be. In all ${((performance.now() - beganMs) / 1000).toFixed(0)} s.`);
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  say(`${((performance.now() - beganMs) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

function limit(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}
