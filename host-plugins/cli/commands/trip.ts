import { DockError } from '../../../protocol/dock-error.ts';
import { KioskRiskDetail } from '../../../protocol/kiosk-risk.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import { type ProgressEvent, stageNames } from '../../../protocol/progress-event.ts';
import { askYes, canAsk } from '../ask-yes.ts';
import { type CommandRun, done } from '../command-context.ts';
import type { DaemonClient } from '../daemon-client.ts';
import { exitCodeOf } from '../exit-code.ts';
import { progressView } from '../progress/progress-view.ts';
import { runsOn } from '../render/render-event.ts';
import { renderTrip } from '../render/render-trip.ts';
import { printable } from '../terminal.ts';

interface WorkspaceOption {
  readonly workspace?: string;
}

interface DockOptions extends WorkspaceOption {
  readonly iKnowTheKioskCanReadIt?: boolean;
}

/** A kiosk whose risk was not accepted yet is asked about where there is somebody to ask. */
export async function dock(run: CommandRun, target: string, options: DockOptions): Promise<number> {
  const params = { target, ...only(options) };
  const start: StartTrip = (daemon, call) => daemon.call('dock', params, call);
  const accepted: StartTrip = (daemon, call) =>
    daemon.call('dock', { ...params, iKnowTheKioskCanReadIt: true }, call);
  if (options.iKnowTheKioskCanReadIt === true) return await trip(run, accepted);
  return await trip(run, start, async (error) => {
    const risk = KioskRiskDetail.safeParse(error.detail);
    if (!risk.success || run.json || !canAsk(run)) return undefined;
    run.terminal.err(printable(risk.data.kioskRisk));
    if (await askYes(`Dock to ${target} all the same? (yes/no) `, run.signal)) return accepted;
    throw new DockError('cancelled', `not docked to ${target}; nothing was changed`);
  });
}

export async function undock(run: CommandRun, options: WorkspaceOption): Promise<number> {
  return await trip(run, (daemon, call) => daemon.call('undock', only(options), call));
}

export async function cancel(run: CommandRun, options: WorkspaceOption): Promise<number> {
  await run.withDaemon((daemon) => daemon.call('cancel', only(options), { signal: run.signal }));
  run.print({ cancelled: true }, 'Cancelled; the workspace runs where it ran before.');
  return done;
}

const only = ({ workspace }: WorkspaceOption) => (workspace === undefined ? {} : { workspace });

interface TripCall {
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly onAbort: 'wait';
}

/** What an interruption can still do to a trip. In the hand-over nobody here knows. */
type Phase = 'may-be-undone' | 'handing-over' | 'moved';

const handOverAt = stageNames.indexOf('hand-over');

function phaseAfter(event: ProgressEvent, before: Phase): Phase {
  if (!('stage' in event) || event.stage === undefined || event.kind === 'trip-failed') return before;
  const at = stageNames.indexOf(event.stage);
  if (at > handOverAt || (at === handOverAt && event.kind === 'stage-done')) return 'moved';
  return at === handOverAt && before !== 'moved' ? 'handing-over' : before;
}

const interruptedIn: Record<Phase, string> = {
  'may-be-undone': 'Cancelling, and undoing what was begun.',
  'handing-over': 'Cancelling, where it is not too late.',
  moved: 'Too late to cancel: the workspace has moved, and is being adapted.',
};

const leftIn: Record<Phase, string> = {
  'may-be-undone': 'wdockd goes on undoing the trip',
  'handing-over': 'wdockd undoes the trip, or finishes it where it is too late',
  moved: 'the workspace has moved, and wdockd finishes the trip',
};

type StartTrip = (daemon: DaemonClient, call: TripCall) => Promise<TripOutcome>;

/**
 * Shows a trip from its start to its outcome. Ctrl-C asks wdockd to cancel and waits until that is undone, or is
 * too late; a second one leaves without waiting.
 * @param instead what to do instead of reporting that it failed; undefined: report it
 */
async function trip(
  run: CommandRun,
  start: StartTrip,
  instead?: (error: DockError) => Promise<StartTrip | undefined>,
): Promise<number> {
  const view = progressView(run.terminal, run.json);
  let last: ProgressEvent | undefined;
  let phase: Phase = 'may-be-undone';
  const onProgress = (event: ProgressEvent) => {
    last = event;
    phase = phaseAfter(event, phase);
    view.show(event);
  };
  const onInterrupt = () => view.note(`${interruptedIn[phase]} Ctrl-C again leaves at once.`);
  run.signal.addEventListener('abort', onInterrupt, { once: true });
  let outcome: TripOutcome;
  try {
    outcome = await run.withDaemon(async (daemon) => {
      const call = start(daemon, { signal: run.signal, onProgress, onAbort: 'wait' });
      call.catch(() => undefined); // awaited in the race
      return await Promise.race([call, leftEarly(run.context.impatience, () => phase)]);
    });
  } catch (thrown) {
    view.close();
    const error = DockError.from(thrown);
    const other = await instead?.(error);
    return other === undefined ? reportFailure(run, error, last) : await trip(run, other);
  } finally {
    run.signal.removeEventListener('abort', onInterrupt);
  }
  view.close();
  if (run.json) {
    const event = last?.kind === 'trip-done' ? last : { kind: 'trip-done', at: Date.now(), outcome };
    run.terminal.out(JSON.stringify(event));
  } else {
    if (run.signal.aborted) run.terminal.out('It was too late to cancel: the workspace had moved already.');
    run.terminal.out(printable(renderTrip(outcome)));
  }
  return done;
}

function reportFailure(run: CommandRun, error: DockError, last: ProgressEvent | undefined): number {
  const failed = last?.kind === 'trip-failed' ? last : undefined;
  if (run.json) {
    const event = failed ?? { kind: 'trip-failed', at: Date.now(), error: error.toData() };
    run.terminal.out(JSON.stringify(event));
  }
  const stage = failed?.stage === undefined ? '' : `${failed.stage}: `;
  run.terminal.err(printable(`wdock: ${stage}${error.message}${runsOn(failed?.runsOn)}`));
  return exitCodeOf(error);
}

async function leftEarly(impatience: AbortSignal, phase: () => Phase): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () =>
    reject(
      new DockError(
        'cancelled',
        `left without waiting; ${leftIn[phase()]}: see \`wdock status\`, or \`wdock watch\``,
      ),
    );
  if (impatience.aborted) leave();
  impatience.addEventListener('abort', leave, { once: true });
  return await promise;
}
