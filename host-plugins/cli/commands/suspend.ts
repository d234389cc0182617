import { resolve } from 'node:path';
import { DockError } from '../../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import { type CommandRun, done } from '../command-context.ts';
import type { DaemonClient } from '../daemon-client.ts';
import { progressView } from '../progress/progress-view.ts';
import { renderResume, renderSuspend } from '../render/render-suspension.ts';
import { printable } from '../terminal.ts';

interface SuspendOptions {
  readonly to: string;
  readonly now?: boolean;
}

interface ResumeOptions {
  readonly workspace?: string;
}

export async function suspend(
  run: CommandRun,
  workspace: string | undefined,
  { to, now = false }: SuspendOptions,
): Promise<number> {
  // wdockd has another working directory
  const params = { directory: resolve(to), now, ...(workspace === undefined ? {} : { workspace }) };
  const outcome = await withProgress(run, 'it runs on here when it is not too late', (daemon, call) =>
    daemon.call('suspend', params, call),
  );
  return print(run, 'suspended', outcome, renderSuspend(outcome));
}

export async function resume(
  run: CommandRun,
  directory: string,
  { workspace }: ResumeOptions,
): Promise<number> {
  const params = { directory: resolve(directory), ...(workspace === undefined ? {} : { workspace }) };
  const outcome = await withProgress(run, 'it stays suspended when it is not too late', (daemon, call) =>
    daemon.call('resume', params, call),
  );
  return print(run, 'resumed', outcome, renderResume(outcome));
}

function print(run: CommandRun, kind: 'suspended' | 'resumed', outcome: object, text: string): number {
  run.terminal.out(run.json ? JSON.stringify({ kind, at: Date.now(), outcome }) : printable(text));
  return done;
}

interface Call {
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly onAbort: 'wait';
}

/** Ctrl-C asks wdockd to stop, and waits for how it ends; a second one leaves without waiting. */
async function withProgress<T>(
  run: CommandRun,
  interrupted: string,
  work: (daemon: DaemonClient, call: Call) => Promise<T>,
): Promise<T> {
  const view = progressView(run.terminal, run.json);
  const onInterrupt = () => view.note(`Stopping; ${interrupted}. Ctrl-C again leaves at once.`);
  run.signal.addEventListener('abort', onInterrupt, { once: true });
  try {
    return await run.withDaemon(async (daemon) => {
      const onProgress = (event: ProgressEvent) => view.show(event);
      const call = work(daemon, { signal: run.signal, onProgress, onAbort: 'wait' });
      call.catch(() => undefined); // awaited in the race
      return await Promise.race([call, leftEarly(run.context.impatience)]);
    });
  } finally {
    run.signal.removeEventListener('abort', onInterrupt);
    view.close();
  }
}

async function leftEarly(impatience: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () =>
    reject(new DockError('cancelled', 'left without waiting; wdockd goes on stopping: see `wdock status`'));
  if (impatience.aborted) leave();
  impatience.addEventListener('abort', leave, { once: true });
  return await promise;
}
