import { progressView } from '../../../host-plugins/cli/progress/progress-view.ts';
import { renderTrip } from '../../../host-plugins/cli/render/render-trip.ts';
import { processTerminal } from '../../../host-plugins/cli/terminal.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import type { Progress } from '../cache/cached-build.ts';
import { Lab, provideGuestWithAgent } from '../lab.ts';
import { GapProbe } from '../network/gap-probe.ts';
import { findIoErrors } from '../state/find-io-errors.ts';
import { VerifyWatch } from '../verify/verify-watch.ts';
import type { DemoArguments } from './demo-arguments.ts';
import type { DemoRecord } from './demo-record.ts';
import { judgeTrip } from './judge-trip.ts';
import { NetworkDemo } from './network-demo.ts';

type TripCommand = readonly ['dock', string] | readonly ['undock'];

/** Where the demo's words go: lines of its own, and what takes its time, with the time. */
export interface DemoWords {
  readonly say: (text: string) => void;
  readonly progress: Progress;
}

/**
 * Docks and undocks as it was asked to, says what it sees, and keeps it in the record, also what is not as it should
 * be. Throws where it cannot go on, and after an abort.
 */
export async function runDemo(
  options: DemoArguments,
  record: DemoRecord,
  words: DemoWords,
  signal: AbortSignal,
): Promise<void> {
  const { link, midLink, network, emulator, trips } = options;
  const { say, progress } = words;
  const guest = await provideGuestWithAgent(progress, signal, emulator);
  // Where the network is listened to, the guest gets no more processors than this machine may have: four emulated ones that
  // share two are silent for seconds, whatever the network does.
  const pc = network === undefined ? 'pc' : 'small-pc';
  await using lab = await Lab.start(guest, { link, midLink, layout: network ?? 'lan', pc, progress }, signal);
  await using probe = await GapProbe.start(lab.network.client, lab.guestAddress, limit(signal, 60_000));
  await using load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, limit(signal, 60_000));
  progress(
    'a load in the guest checks its memory and its disk, over one TCP connection from a client on the LAN',
  );
  await using watched = network === undefined ? undefined : await NetworkDemo.start(lab, say, signal);
  if (watched !== undefined) progress('connections with data in them are held with the guest, both ways');

  const trip = async (command: TripCommand, remark: string): Promise<void> => {
    say(`\n$ wdock ${command.join(' ')}${remark === '' ? '' : `        # ${remark}`}`);
    probe.mark();
    await watched?.mark(signal);
    const outcome = await showTrip(lab, command, (event) => watched?.note(event), signal);
    await probe.nextReply(limit(signal, 30_000));
    const { networkGapMs } = probe.measure();
    say(`\n${renderTrip(outcome)}`);
    say(`  the client on the LAN saw the guest silent for at most ${Math.round(networkGapMs)} ms`);
    record.addTrip(outcome, networkGapMs, await watched?.measure(outcome, signal));
    record.failures.push(...judgeTrip(outcome, pc));
    const { memory, disk } = (await load.nextReport(limit(signal, 60_000))) ?? load.latest;
    if (memory.mismatches + disk.mismatches + disk.ioErrors > 0) {
      record.failures.push(`the load in the guest found ${JSON.stringify({ memory, disk })}`);
    }
  };
  const commands: (readonly [TripCommand, remark: string])[] = [];
  for (let round = 1; round <= trips; round++) {
    const remark = trips > 1 ? `round ${round} of ${trips}` : '';
    commands.push([['dock', 'pc'], remark], [['undock'], remark]);
  }
  if (network === 'two-lans') commands.push([['dock', 'pc'], 'once more, to see the anchor go']);
  for (const [command, remark] of commands) {
    record.during = `the ${command[0]}`;
    await trip(command, remark);
  }
  record.during = 'what follows the last trip';

  const verdict = await load.verdict(limit(signal, 120_000));
  const { checkedPages, mismatches } = verdict.memory;
  say(
    `\nmemory of the guest: ${verdict.verdict}; ${checkedPages} pages compared, ${mismatches} mismatches; ` +
      `disk: ${verdict.disk.records} records, ${verdict.disk.ioErrors} I/O errors; the connection stayed open`,
  );
  if (verdict.verdict !== 'intact') record.failures.push('the guest’s memory or disk is damaged');
  record.network = await watched?.finish(signal);
  if (network === 'two-lans') {
    // Everything that the client holds with the guest.
    await Promise.all([probe, load].map((held) => held[Symbol.asyncDispose]()));
    await watched?.closeAndSeeAnchorGo(signal);
  }
  record.failures.push(...(watched?.failures ?? []));
  const ioErrors = await findIoErrors(lab.folder);
  record.failures.push(...ioErrors.map((line) => `in the guest's log: ${line}`));
}

/** An abort does not wait for wdockd's undo: the devices end with the lab. */
async function showTrip(
  lab: Lab,
  command: TripCommand,
  onEvent: (event: ProgressEvent) => void,
  signal: AbortSignal,
): Promise<TripOutcome> {
  const view = progressView(processTerminal(process.env), false);
  const show = (event: ProgressEvent): void => {
    if (signal.aborted) return;
    view.show(event);
    onEvent(event);
  };
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const outcome = lab.mid.trip(command, show, signal);
  outcome.catch(() => undefined); // awaited in the race
  try {
    return await Promise.race([outcome, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    view.close();
  }
}

function limit(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}
