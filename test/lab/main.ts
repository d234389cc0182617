// The lab's own command line, to build its parts ahead of time and to clean up after runs that were killed.
import { DockError } from '../../protocol/dock-error.ts';
import { holdLab } from './hold-lab.ts';
import { provideImageWithAgent, provideLabGuest, provideLabImage } from './lab-guest.ts';
import { rerunAsLabRoot } from './lab-root.ts';
import { type LinkShapeName, linkShapeNames } from './network/link-shape.ts';
import { sweepDeadRuns } from './network/sweep.ts';
import { runMain } from './run-main.ts';

const usage = `usage: npm run lab -- <command>
  image [agent.deb]   build the guest's disk image, where it is not in the cache
  state [agent.deb]   the same, and boot it once and save the settled machine
  run [LINK]          start both devices with the workspace on the MID, say how to use wdock there, and keep
                      them until Ctrl-C
  sweep               end what is left of runs that were killed
`;

const startedMs = performance.now();

await runMain(async ([command, argument], signal) => {
  switch (command) {
    case 'image':
      show(await provideLabImage(argument, progress, signal));
      break;
    case 'state':
      if (await rerunAsLabRoot(() => provideLabImage(argument, progress, signal), signal)) break;
      show(await provideLabGuest(argument, progress, signal));
      break;
    case 'run': {
      const link = readLink(argument);
      if (await rerunAsLabRoot(() => provideImageWithAgent(progress, signal), signal)) break;
      await holdLab(link, progress, signal);
      break;
    }
    case 'sweep':
      for (const label of await sweepDeadRuns()) progress(`removed what was left of ${label}`);
      break;
    case '--help':
      process.stdout.write(usage);
      break;
    default:
      throw new DockError(
        'usage',
        `${command === undefined ? 'no command' : `no command "${command}"`}\n\n${usage}`,
      );
  }
});

function readLink(name = 'unshaped'): LinkShapeName {
  const link = linkShapeNames.find((one) => one === name);
  if (link === undefined) throw new DockError('usage', `a link is one of ${linkShapeNames.join(', ')}`);
  return link;
}

function progress(message: string): void {
  const elapsed = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${elapsed} s  ${message}\n`);
}

function show(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
}
