import { once } from 'node:events';
import type { Progress } from './cache/cached-build.ts';
import { Lab, provideGuestWithAgent } from './lab.ts';
import type { LinkShapeName } from './network/link-shape.ts';

/** Starts the lab for a person to play with, and ends it when the signal aborts. */
export async function holdLab(link: LinkShapeName, progress: Progress, signal: AbortSignal): Promise<void> {
  await using lab = await Lab.start(
    await provideGuestWithAgent(progress, signal),
    { link, progress },
    signal,
  );
  const shown = [lab.mid, lab.pc].map((host) => `  ${host.name}:  ${host.wdockCommand([]).join(' ')} status`);
  process.stdout.write(
    `\nBoth devices run. wdock on each of them, e.g.:\n\n${shown.join('\n')}\n\n` +
      `The guest is ${lab.guestAddress} on the LAN. Ctrl-C ends it all.\n`,
  );
  if (!signal.aborted) await once(signal, 'abort');
}
