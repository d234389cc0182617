import { describe, expect, it } from 'vitest';
import { type StepFunction, step } from '../../../host-plugins/hand-over/machine.ts';
import { describeExploration, explore } from './explore.ts';
import type { WorldOptions } from './world.ts';

const oneTrip = {
  step,
  offers: 1,
  saves: 0,
  claims: 0,
  forces: 0,
  crashedGuestHostStaysDead: false,
} as const;
const oneSuspend = { ...oneTrip, offers: 0, saves: 1, claims: 1, home: 0 } as const;
const limitMs = 120_000;

function expectHeld(what: string, options: WorldOptions, least = 10_000): void {
  const exploration = explore(options);
  process.stdout.write(`${what}: ${describeExploration(exploration)}\n`);
  expect(exploration.violation).toBeUndefined();
  // An exploration that stopped early shows nothing.
  expect(exploration.states).toBeGreaterThan(least);
}

describe('the hand-over, with any loss, repetition, order, crash, restart, failed write and cancel at any step', () => {
  it.each([
    ['the disk at the source', 0],
    ['the disk at the target', 1],
  ] as const)(
    'never has two runnable copies and always comes to one running copy: %s',
    (where, home) => {
      expectHeld(`hand-over, ${where}`, { ...oneTrip, home });
    },
    limitMs,
  );

  it.each([
    ['the disk at the source', 0],
    ['the disk at the target', 1],
  ] as const)(
    'can be brought to run by a person when the host without the disk is dead for good: %s',
    (where, home) => {
      expectHeld(`hand-over, a crashed host without the disk stays dead, ${where}`, {
        ...oneTrip,
        home,
        crashedGuestHostStaysDead: true,
      });
    },
    limitMs,
  );

  it.each([
    ['the disk at the source', 0],
    ['the disk at the target', 1],
  ] as const)(
    'comes back to one copy when a person forces it, even wrongly: %s',
    (where, home) => {
      expectHeld(`hand-over, a person forces it once, at any time (the rules hold up to then), ${where}`, {
        ...oneTrip,
        home,
        forces: 1,
      });
    },
    limitMs,
  );
});

describe('suspending and resuming, with any crash, restart, pulled drive, failed write and lost message at any step', () => {
  it(
    'has exactly one copy, that runs or is whole in its image, and comes to it',
    () => expectHeld('suspend, resumed here or on the other device', oneSuspend, 3_000),
    limitMs,
  );

  it(
    'is whole in its image, or runs, when the device that resumes it dies for good',
    () => {
      const what = 'suspend, a crashed host without the disk stays dead';
      expectHeld(what, { ...oneSuspend, crashedGuestHostStaysDead: true }, 3_000);
    },
    limitMs,
  );

  it(
    'comes back to one copy when a person forces it, even wrongly',
    () => expectHeld('suspend, a person forces it once', { ...oneSuspend, forces: 1 }),
    limitMs,
  );
});

/** The product's step, with one decision of it replaced. */
const mutants: readonly (readonly [
  name: string,
  rule: RegExp,
  trace: readonly string[],
  mutant: StepFunction,
])[] = [
  [
    'resumes the source after released',
    /two copies run|does not own it/,
    ['A: vm-switched, journals "released epoch 2"', 'A: QEMU runs the VM'],
    (state, input, settings) =>
      state.position.at === 'released' && input.in === 'retry'
        ? { state, effects: [{ do: 'resume' }] }
        : step(state, input, settings),
  ],
  [
    'releases before its own QEMU has completed',
    /a QEMU of this workspace is "stopping"/,
    ['A: wdockd starts'],
    (state, input, settings) =>
      state.position.at === 'offering' && input.in === 'message' && input.message.say === 'ready'
        ? step({ ...state, position: state.position, switched: true }, input, settings)
        : step(state, input, settings),
  ],
  [
    'runs the target before it is journaled as owner',
    /does not own it/,
    ['B: QEMU runs the VM'],
    (state, input, settings) => {
      const next = step(state, input, settings);
      const commits = next.effects.some(
        (effect) => effect.do === 'commit' && effect.position.at === 'starting',
      );
      return commits ? { ...next, effects: [...next.effects].reverse() } : next;
    },
  ],
  [
    'says void before it is journaled',
    /two/,
    ['A: hears void(2), journals "took it back as epoch 3: the target never ran it and never will"'],
    (state, input, settings) => {
      const next = step(state, input, settings);
      const gives = next.effects.some((effect) => effect.do === 'send' && effect.message.say === 'void');
      return gives ? { ...next, effects: [...next.effects].sort((a, b) => order(a.do) - order(b.do)) } : next;
    },
  ],
  [
    'takes its memory back although the target may have written',
    /older than the disk/,
    ['A: hears lost(2)'],
    (state, input, settings) =>
      input.in === 'disk-inspected' && state.position.at === 'released'
        ? step(state, { in: 'disk-inspected', disk: 'untouched' }, settings)
        : step(state, input, settings),
  ],
  [
    'says go only once',
    /does not come to exactly one running copy/,
    ['A: vm-switched, journals "released epoch 2"', 'the link is cut, and comes back'],
    (state, input, settings) => {
      const next = step(state, input, settings);
      const again = state.position.at === 'released' && next.state.position.at === 'released';
      return again ? { ...next, effects: next.effects.filter((effect) => effect.do !== 'send') } : next;
    },
  ],
];

/** The same for what is suspended. */
const suspendMutants: typeof mutants = [
  [
    'suspends in an image that is not whole',
    /an image that is not whole/,
    ['the saving has completed'],
    (state, input, settings) =>
      state.position.at === 'owner' && input.in === 'vm-switched'
        ? step(step(state, input, settings).state, { in: 'image-whole', image: 'i' }, settings)
        : step(state, input, settings),
  ],
  [
    'suspends after its QEMU has run on',
    /does not own it|older than the disk/,
    ['A: vm-switched', 'the image is whole'],
    (state, input, settings) =>
      state.position.at === 'owner' && input.in === 'vm-gone' && 'saving' in state
        ? { state, effects: [{ do: 'power-cut' }] }
        : step(state, input, settings),
  ],
  [
    'goes on from the image although the guest may have written',
    /an image that is not whole, or older than the disk/,
    ['A: QEMU runs, writes, and dies'],
    (state, input, settings) =>
      state.position.at === 'waking' && input.in === 'disk-inspected'
        ? step(state, { in: 'disk-inspected', disk: 'untouched' }, settings)
        : step(state, input, settings),
  ],
  [
    'wakes here what it has given to the device that asked for it',
    /two/,
    ['A: hears ready(3), journals "released epoch 3"'],
    (state, input, settings) =>
      state.position.at === 'released' && input.in === 'retry' && state.position.image !== undefined
        ? step(
            { position: { at: 'suspended', epoch: 2, offered: 3, image: state.position.image } },
            { in: 'vm-loaded' },
            settings,
          )
        : step(state, input, settings),
  ],
];

const order = (what: string): number => (what === 'send' ? 0 : 1);

describe('the exploration', () => {
  it.each(mutants)(
    'finds a hand-over that %s, and tells how',
    (name, rule, trace, mutant) => {
      const { violation } = explore({ ...oneTrip, step: mutant, home: 0 });
      expect(violation?.rule, name).toMatch(rule);
      expect(violation?.trace).toEqual(expect.arrayContaining([...trace]));
    },
    limitMs,
  );

  it.each(suspendMutants)(
    'finds one that %s, and tells how',
    (name, rule, trace, mutant) => {
      const { violation } = explore({ ...oneSuspend, step: mutant });
      expect(violation?.rule, name).toMatch(rule);
      expect(violation?.trace).toEqual(expect.arrayContaining([...trace]));
    },
    limitMs,
  );
});
