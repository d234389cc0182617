// The lab's own command line, to build its parts ahead of time and to clean up after runs that were killed.
import { cacheFolder } from './cache/cache-folder.ts';
import { provideBaseTree } from './image/base-tree.ts';
import { provideDiskImage } from './image/disk-image.ts';
import { sweepDeadRuns } from './network/sweep.ts';
import { provideSettledState } from './state/settled-state.ts';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));

const startedMs = performance.now();
const progress = (message: string) =>
  process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${message}\n`);

const [command, argument] = process.argv.slice(2);
switch (command) {
  case 'image': {
    const baseTree = await provideBaseTree(cacheFolder(), progress, stop.signal);
    const image = await provideDiskImage(cacheFolder(), baseTree, argument, progress, stop.signal);
    process.stdout.write(`${JSON.stringify(image, undefined, 2)}\n`);
    break;
  }
  case 'state': {
    const baseTree = await provideBaseTree(cacheFolder(), progress, stop.signal);
    const image = await provideDiskImage(cacheFolder(), baseTree, argument, progress, stop.signal);
    const state = await provideSettledState(cacheFolder(), image, progress, stop.signal);
    process.stdout.write(`${JSON.stringify(state, undefined, 2)}\n`);
    break;
  }
  case 'sweep':
    for (const label of await sweepDeadRuns()) progress(`removed what was left of ${label}`);
    break;
  default:
    process.stderr.write('usage: node test/lab/main.ts image [agent.deb] | state [agent.deb] | sweep\n');
    process.exitCode = 2;
}
