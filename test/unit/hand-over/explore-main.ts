// `npm run explore`: the exploration of the hand-over for people.
import { step } from '../../../host-plugins/hand-over/machine.ts';
import { runMain } from '../../lab/run-main.ts';
import { describeExploration, explore } from './explore.ts';
import { exploreUsage, parseExploreArguments } from './explore-arguments.ts';

const resumesAfterReleased: typeof step = (state, input, settings) =>
  state.position.at === 'released' && input.in === 'retry'
    ? { state, effects: [{ do: 'resume' }] }
    : step(state, input, settings);

await runMain(async (args) => {
  const { trips, plantBug, help } = parseExploreArguments(args);
  if (help) return console.log(exploreUsage);
  for (const home of [0, 1] as const) {
    const exploration = explore({
      step: plantBug ? resumesAfterReleased : step,
      offers: trips,
      saves: 0,
      claims: 0,
      forces: 0,
      crashedGuestHostStaysDead: false,
      home,
    });
    console.log(`the disk at the ${home === 0 ? 'source' : 'target'}: ${describeExploration(exploration)}`);
    if (exploration.violation !== undefined) process.exitCode = 1;
  }
});
