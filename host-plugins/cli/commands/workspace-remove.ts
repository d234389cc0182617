import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { z } from 'zod';
import type { controlMethods } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { type CommandRun, done } from '../command-context.ts';

/** Asks first, where there is a terminal to ask on. */
export async function removeWorkspace(
  run: CommandRun,
  name: string,
  options: { readonly yes?: boolean },
): Promise<number> {
  if (options.yes !== true) await confirm(run, name);
  const removed = await run.withDaemon((daemon) =>
    daemon.call('workspace.remove', { name }, { signal: run.signal }),
  );
  run.print({ removed }, renderRemoved(removed));
  return done;
}

async function confirm(run: CommandRun, name: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new DockError(
      'usage',
      `there is no terminal to ask on whether "${name}" shall go; say it with --yes`,
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const closed = once(prompt, 'close').then(() => '');
    const asked = prompt.question(
      `Remove the workspace "${name}" from this device? Its shape and its hand-over journal are lost; its disk stays. [y/N] `,
      { signal: run.signal },
    );
    const answer = await Promise.race([asked, closed]);
    if (!/^y(es)?$/i.test(answer.trim())) throw new DockError('cancelled', 'nothing was removed');
  } catch (error) {
    throw DockError.from(run.signal.aborted ? run.signal.reason : error, 'cancelled');
  } finally {
    prompt.close();
  }
}

type Removed = z.output<(typeof controlMethods)['workspace.remove']['result']>;

function renderRemoved({ name, broken, left, otherDevice }: Removed): string {
  const lines = [`${name} is removed from this device.`];
  for (const { what, path } of left) {
    lines.push(
      what === 'disk' ? `Its disk is left: ${path}` : `Files that are not wdockd's are left in ${path}`,
    );
  }
  if (broken && left.every(({ what }) => what !== 'disk')) {
    lines.push('Where its disk is could not be read; no disk was touched.');
  }
  if (otherDevice?.isHome === true) lines.push(`${otherDevice.name}, its home, has its disk and its record.`);
  if (otherDevice?.isHome === false) {
    lines.push(
      `${otherDevice.name} has a record of it, too, and takes no other workspace of this name. To remove it there:`,
      `  wdock workspace remove ${name}`,
    );
  }
  return lines.join('\n');
}
