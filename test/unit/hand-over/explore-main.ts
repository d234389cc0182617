import { parseArgs } from 'node:util';
import { step } from '../../../host-plugins/hand-over/machine.ts';
import { describeExploration, explore } from './explore.ts';

/**
 * `node test/unit/hand-over/explore-main.ts [--trips N] [--plant-bug]`: the exploration for people. Two trips take some
 * minutes and 2 GB. `--plant-bug` resumes the source after *released*, to see the exploration find it.
 */
const { values } = parseArgs({
  options: { trips: { type: 'string', default: '1' }, 'plant-bug': { type: 'boolean', default: false } },
});
const resumesAfterReleased: typeof step = (state, input, settings) =>
  state.position.at === 'released' && input.in === 'retry'
    ? { state, effects: [{ do: 'resume' }] }
    : step(state, input, settings);

for (const home of [0, 1] as const) {
  const exploration = explore({
    step: values['plant-bug'] ? resumesAfterReleased : step,
    offers: Number(values.trips),
    forces: 0,
    crashedGuestHostStaysDead: false,
    home,
  });
  console.log(`the disk at the ${home === 0 ? 'source' : 'target'}: ${describeExploration(exploration)}`);
  if (exploration.violation !== undefined) process.exitCode = 1;
}
