// One load of the lab's guest, from its start until it is killed or its standard input ends; a line there is another
// speed. Says twice a second how far it has come. Bundled for the guest's Node by test/lab/image/bundle-guest-programs.ts.
//
//   node loads.mjs <load> <speed>
import { createInterface } from 'node:readline';
import { browse } from './browse.ts';
import { buildUnits } from './build-units.ts';
import type { GuestLoad, LoadState, Pace } from './load-names.ts';
import { playVideo } from './play-video.ts';
import { readAllFiles } from './read-all-files.ts';

const sayEveryMs = 500;

const [load, speedText] = process.argv.slice(2) as [GuestLoad, string];
const pace: Pace = { speed: Number(speedText) };
let done = 0;
const say = (finished: boolean) => {
  const state: LoadState = { load, speed: pace.speed, done, finished };
  process.stdout.write(`${JSON.stringify(state)}\n`);
};
const count = () => {
  done++;
};

createInterface(process.stdin)
  .on('line', (line) => {
    pace.speed = Number(line);
  })
  .once('close', () => process.exit(0));
const saying = setInterval(say, sayEveryMs, false);
switch (load) {
  case 'idle': // has no program: it would not be idle
    break;
  case 'page-cache':
    await readAllFiles(count);
    break;
  case 'browser':
    await browse(pace, count);
    break;
  case 'video':
    await playVideo(pace, count);
    break;
  case 'build':
    await buildUnits(pace, count);
    break;
}
clearInterval(saying);
say(true);
