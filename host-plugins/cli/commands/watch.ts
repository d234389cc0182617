import { DockError } from '../../../protocol/dock-error.ts';
import { type CommandRun, done } from '../command-context.ts';
import { renderWatchEvent } from '../render/render-event.ts';
import { simulatedMark } from '../render/render-status.ts';
import { printable } from '../terminal.ts';

/** Prints what happens until it is interrupted, which is its ordinary end. */
export async function watch(run: CommandRun): Promise<number> {
  try {
    await run.withDaemon(async (daemon) => {
      if (!run.json) {
        const device = `${run.device?.name}${simulatedMark(run.device?.simulated)}`;
        run.terminal.err(printable(`Watching ${device}; Ctrl-C ends it.`));
      }
      await daemon.call(
        'watch',
        {},
        {
          signal: run.signal,
          onProgress: (event) => {
            const line = run.json ? JSON.stringify(event) : renderWatchEvent(event);
            if (line !== undefined) run.terminal.out(run.json ? line : printable(line));
          },
        },
      );
    });
  } catch (error) {
    if (!run.signal.aborted || DockError.from(error).kind !== 'cancelled') throw error;
  }
  return done;
}
