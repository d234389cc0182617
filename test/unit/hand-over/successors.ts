import { mayRun, type Position } from '../../../host-plugins/hand-over/position.ts';
import { recover } from '../../../host-plugins/hand-over/recover.ts';
import type { Effect, Input, Say, State } from '../../../host-plugins/hand-over/state.ts';
import {
  type Edge,
  type Number2,
  names,
  other,
  type World,
  type WorldOptions,
  withAround,
  withDevice,
} from './world.ts';

/** Every next world. */
export function successors(world: World, options: WorldOptions): Edge[] {
  const edges: Edge[] = [];
  const add: Add = (label, fair, reached, breaks) => {
    const to = advance(advance(reached, 0, options), 1, options);
    edges.push(breaks === undefined ? { label, fair, to } : { label, fair, to, breaks });
  };
  for (const n of [0, 1] as const) {
    if (world.devices[n].dead) continue;
    if (world.devices[n].state === undefined) restart(world, n, add);
    else if (world.devices[n].effects.length > 0) executeNext(world, n, options, add);
    else takeInputs(world, n, options, add);
    faults(world, n, options, add);
  }
  migrate(world, add);
  save(world, options.home, add);
  return edges;
}

type Add = (label: string, fair: boolean, to: World, breaks?: string) => void;

interface Taken {
  readonly state: State;
  readonly effects: readonly Effect[];
  readonly changed: boolean;
}

/** Steps taken before, so that equal worlds share their parts and compare quickly. */
const takenBefore = new WeakMap<WorldOptions, WeakMap<State, Map<string, Taken>>>();

function take(state: State, n: Number2, input: Input, options: WorldOptions): Taken {
  const byState = takenBefore.get(options) ?? new WeakMap<State, Map<string, Taken>>();
  takenBefore.set(options, byState);
  const byInput = byState.get(state) ?? new Map<string, Taken>();
  byState.set(state, byInput);
  const key = `${n} ${'position' in input ? JSON.stringify(input) : describeInput(input)}`;
  const known = byInput.get(key);
  if (known !== undefined) return known;
  const next = options.step(state, input, { self: names[n], home: names[options.home] });
  const effects = next.effects.filter((effect) => effect.do !== 'emit');
  const changed = effects.length > 0 || JSON.stringify(next.state) !== JSON.stringify(state);
  const taken = { state: next.state, effects, changed };
  byInput.set(key, taken);
  return taken;
}

function feed(world: World, n: Number2, input: Input, options: WorldOptions): World {
  const device = world.devices[n];
  if (device.state === undefined) return world;
  const { state, effects, changed } = take(device.state, n, input, options);
  if (!changed) return world;
  return withDevice(world, n, { state, before: effects.length > 0 ? device.state : undefined, effects });
}

function restart(world: World, n: Number2, add: Add): void {
  const device = world.devices[n];
  const label = `${names[n]}: wdockd starts`;
  try {
    const { state, effects } = recover(device.journal, device.qemu);
    const seen = effects.filter((effect) => effect.do !== 'emit');
    const before = { position: device.journal, kept: device.qemu !== 'gone' } as State;
    add(label, true, withDevice(world, n, { state, before, effects: seen, results: [] }));
  } catch (error) {
    add(label, true, world, world.around.forced ? undefined : String(error));
  }
}

/** Puts what is next to be sent on the wire, and hands over the results of effects that are all executed. */
function advance(world: World, n: Number2, options: WorldOptions): World {
  for (let now = world; ; ) {
    const { effects, results, state } = now.devices[n];
    const [effect, ...rest] = effects;
    if (effect?.do === 'send') {
      const line = `${effect.to} ${effect.message.say} ${effect.message.epoch}`;
      const wire = now.wire.includes(line) ? now.wire : [...now.wire, line].sort();
      now = { ...withDevice(now, n, { effects: rest }), wire };
      continue;
    }
    const [result, ...later] = results;
    if (effect !== undefined || result === undefined || state === undefined) {
      if (effect !== undefined || now.devices[n].before === undefined) return now;
      return withDevice(now, n, { before: undefined });
    }
    now = feed(withDevice(now, n, { results: later }), n, result, options);
  }
}

function takeInputs(world: World, n: Number2, options: WorldOptions, add: Add): void {
  const device = world.devices[n];
  const state = device.state;
  if (state === undefined) return;
  const peer = names[other(n)];
  const give = (input: Input, fair: boolean) => {
    const next = feed(world, n, input, options);
    if (next === world) return;
    const label = `${names[n]}: ${describeInput(input)}`;
    if (next.devices[n].effects[0]?.do !== 'commit') return add(label, fair, next);
    executeNext(next, n, options, (then, thenFair, to, breaks) =>
      add(`${label}, ${then.slice(3)}`, fair && thenFair, to, breaks),
    );
  };
  for (const line of world.wire) {
    const [to, say, epoch] = line.split(' ');
    if (to !== names[n]) continue;
    give({ in: 'message', from: peer, message: { say, epoch: Number(epoch), reason: '' } as Say }, true);
  }
  give({ in: 'retry' }, true);
  give({ in: 'link-up', peer }, true);
  const { position } = state;
  const migration = world.around.migration;
  if (position.at === 'offering') {
    if (device.qemu === 'postmigrate' && !('switched' in state)) give({ in: 'vm-switched' }, true);
    if (migration?.source === n && migration.at === 'stopped') give({ in: 'vm-stopped' }, true);
    if (migration?.source === n && migration.at === 'failed')
      give({ in: 'migration-failed', reason: '' }, true);
  }
  const loads = position.at === 'accepting' || position.at === 'suspended';
  if (loads && device.qemu === 'paused') give({ in: 'vm-loaded' }, true);
  const { save } = world.around;
  if (save !== undefined && n === options.home && 'saving' in state) {
    const completed = save.at === 'switched' || save.at === 'whole';
    if (state.saving === 'writing' && completed && device.qemu === 'postmigrate')
      give({ in: 'vm-switched' }, true);
    if (state.saving === 'switched' && save.at === 'whole' && !save.orphaned)
      give({ in: 'image-whole', image: 'i' }, true);
    if (save.at === 'failed') give({ in: 'save-failed', reason: '' }, true);
  }
  suspendAndResume(world, n, options, add);
  const known = position.at === 'offering' || position.at === 'owner' || position.at === 'released';
  if (device.qemu === 'gone' && (known || position.at === 'accepting')) {
    give({ in: 'vm-gone' }, true);
  }
  // Whoever started the move gives up when the other device never answers.
  give({ in: 'cancel', reason: '' }, world.devices[other(n)].dead);
  if (position.at === 'owner' && device.qemu === 'running' && world.around.offersLeft > 0) {
    const offering = withAround(feed(world, n, { in: 'offer', peer }, options), {
      offersLeft: world.around.offersLeft - 1,
    });
    add(`${names[n]}: offers it, unexpectedly`, false, offering);
    const target = offering.devices[other(n)];
    if (target.state?.position.at === 'away' && target.effects.length === 0) {
      const expecting = feed(offering, other(n), { in: 'expect', peer: names[n] }, options);
      add(`${names[n]}: offers it`, false, expecting);
    }
  }
  // The target starts a QEMU for what it accepted, before the source begins to send.
  const source = world.devices[other(n)];
  const begins = source.qemu === 'running' && source.journal.at === 'offering' && migration === undefined;
  if (position.at === 'accepting' && !('loaded' in state) && device.qemu === 'gone' && begins) {
    add(
      `${names[n]}: QEMU waits for the VM`,
      true,
      withDevice(world, n, { qemu: 'inmigrate', stale: false }),
    );
  }
  if (
    position.at === 'accepting' &&
    !('loaded' in state) &&
    device.qemu === 'gone' &&
    isGiven(source.journal)
  )
    loadImage(world, n, true, add);
  // After a wrong force the image may be of no use, which the disk's mark tells: then somebody forces again.
  const { forced: forcedBefore, image } = world.around;
  const useless = forcedBefore && position.at === 'suspended' && image === 'stale';
  const needed = world.devices[other(n)].dead || useless;
  if ((world.around.forcesLeft > 0 || needed) && !mayRun(position)) {
    const forced = withAround(feed(world, n, { in: 'force' }, options), {
      forced: world.around.forced || !world.devices[other(n)].dead,
      forcesLeft: Math.max(0, world.around.forcesLeft - 1),
    });
    add(`${names[n]}: a person forces it`, needed, forced);
  }
}

const isGiven = (journal: Position) => journal.at === 'offering' && journal.image !== undefined;

/** QEMU gets its state from the directory. */
function loadImage(world: World, n: Number2, fair: boolean, add: Add): void {
  const { image } = world.around;
  if (image !== 'good' && image !== 'stale') return;
  const loaded = withDevice(world, n, { qemu: 'paused', stale: image === 'stale' });
  add(`${names[n]}: QEMU has loaded the image`, fair, loaded);
}

/** What people do with an image: it is written at home, and read on either device, which asks the home for it. */
function suspendAndResume(world: World, n: Number2, options: WorldOptions, add: Add): void {
  const { state, qemu } = world.devices[n];
  const { savesLeft, claimsLeft, migration } = world.around;
  if (state === undefined || n !== options.home) return;
  const { position } = state;
  if (position.at === 'owner' && qemu === 'running' && savesLeft > 0 && migration === undefined) {
    const saving = withAround(feed(world, n, { in: 'save' }, options), {
      savesLeft: savesLeft - 1,
      save: { at: 'writing', orphaned: false },
      image: 'partial',
    });
    add(`${names[n]}: begins to suspend it`, false, saving);
  }
  if (position.at !== 'suspended' || claimsLeft === 0) return;
  const fewer = withAround(world, { claimsLeft: claimsLeft - 1 });
  if (qemu === 'gone') loadImage(fewer, n, false, add);
  const claimant = world.devices[other(n)];
  if (claimant.state?.position.at !== 'away' || claimant.effects.length > 0) return;
  const expecting = feed(fewer, other(n), { in: 'expect', peer: names[n] }, options);
  add(
    `${names[n]}: gives it to who has the image`,
    false,
    feed(expecting, n, { in: 'offer', peer: names[other(n)] }, options),
  );
}

/** QEMU and the directory, from the beginning of a suspend to its end. */
function save(world: World, home: Number2, add: Add): void {
  const { save, written } = world.around;
  const { state, qemu } = world.devices[home];
  if (save === undefined) return;
  const { orphaned } = save;
  const at = (stage: NonNullable<typeof save>['at']) => withAround(world, { save: { at: stage, orphaned } });
  if (orphaned || (state !== undefined && !('saving' in state))) {
    const over = save.at === 'switched' || save.at === 'whole' || save.at === 'failed';
    if (over) add('the suspend is history', true, withAround(world, { save: undefined }));
  }
  if (save.at === 'writing' && qemu === 'running') {
    const quiet = withAround(at('stopped'), { written: false });
    add('the saving stops the VM', true, withDevice(quiet, home, { qemu: 'stopping' }));
  }
  if (save.at === 'stopped' && qemu === 'stopping')
    add('the saving has completed', true, withDevice(at('switched'), home, { qemu: 'postmigrate' }));
  if ((save.at === 'writing' || save.at === 'stopped') && (qemu === 'running' || qemu === 'stopping'))
    add('the saving fails, QEMU runs on', orphaned, withDevice(at('failed'), home, { qemu: 'running' }));
  if (save.at !== 'switched' || orphaned) return;
  add('the image is whole', true, withAround(at('whole'), { image: written ? 'stale' : 'good' }));
  add('the drive is pulled', false, at('failed'));
}

function executeNext(world: World, n: Number2, options: WorldOptions, add: Add): void {
  const device = world.devices[n];
  const [effect, ...rest] = device.effects;
  if (effect === undefined) return;
  const name = names[n];
  const done = withDevice(world, n, { effects: rest });
  const answered = (base: World, input: Input) =>
    withDevice(base, n, { results: [...base.devices[n].results, input] });
  switch (effect.do) {
    case 'commit': {
      add(`${name}: journals "${effect.why}"`, true, withDevice(done, n, { journal: effect.position }));
      const undone = withDevice(world, n, { state: device.before, before: undefined, effects: [] });
      const failed: Input = { in: 'journal-failed', position: effect.position, reason: '' };
      add(`${name}: fails to journal "${effect.why}"`, false, feed(undone, n, failed, options));
      return;
    }
    case 'record':
      add(`${name}: journals "${effect.why}"`, true, withDevice(done, n, { journal: effect.position }));
      add(`${name}: fails to journal "${effect.why}"`, false, done);
      return;
    case 'continue-migration': {
      const migration = world.around.migration;
      const stands = migration?.source === n && migration.at === 'stopped';
      const next = stands ? withAround(done, { migration: { source: n, at: 'switching' } }) : done;
      add(`${name}: migrate-continue`, true, next);
      return;
    }
    case 'resume':
      resume(world, n, done, answered, options, add);
      return;
    case 'quit':
      add(`${name}: QEMU is ended`, true, qemuEnds(done, n, options));
      return;
    case 'power-cut':
      add(
        `${name}: starts the VM from its disk`,
        true,
        device.qemu === 'gone' ? withDevice(done, n, { qemu: 'running', stale: false }) : done,
      );
      return;
    case 'inspect-disk': {
      add(
        `${name}: the disk's writes are unknown`,
        true,
        answered(done, { in: 'disk-inspected', disk: 'unknown' }),
      );
      if (options.home === n) {
        const disk = world.around.written ? 'written' : 'untouched';
        add(`${name}: the disk is ${disk}`, true, answered(done, { in: 'disk-inspected', disk }));
      }
      return;
    }
    case 'send':
    case 'emit':
      throw new Error('sent, or left out, before');
  }
}

function resume(
  world: World,
  n: Number2,
  done: World,
  answered: (base: World, input: Input) => World,
  options: WorldOptions,
  add: Add,
): void {
  const device = world.devices[n];
  const name = names[n];
  if (device.qemu === 'gone') {
    const failed: Input = { in: 'resume-failed', executed: 'unknown', reason: '' };
    add(`${name}: there is no QEMU to resume`, true, answered(done, failed));
    return;
  }
  const cancelled = saveEnds(world.around.migration?.source === n ? migrationEnds(done) : done, n, options);
  const running = withDevice(cancelled, n, { qemu: 'running' });
  const broken =
    device.stale && !world.around.forced ? 'a copy runs whose memory is older than the disk' : undefined;
  add(`${name}: QEMU runs the VM`, true, answered(running, { in: 'resumed' }), broken);
  if (device.qemu === 'running') return;
  const refused: Input = { in: 'resume-failed', executed: 'no', reason: '' };
  add(`${name}: QEMU refuses to run the VM`, false, answered(done, refused));
  const died: Input = { in: 'resume-failed', executed: 'unknown', reason: '' };
  add(`${name}: QEMU dies on cont, not having run`, false, answered(qemuEnds(done, n, options), died));
  const wrote = guestWrites(withDevice(done, n, { qemu: 'running' }), n);
  add(`${name}: QEMU runs, writes, and dies`, false, answered(qemuEnds(wrote, n, options), died), broken);
}

function faults(world: World, n: Number2, options: WorldOptions, add: Add): void {
  const device = world.devices[n];
  const name = names[n];
  const stopped = { state: undefined, before: undefined, effects: [], results: [] };
  const orphaned = orphanSave(world, n, options);
  if (device.state !== undefined) add(`${name}: wdockd is killed`, false, withDevice(orphaned, n, stopped));
  const dead = options.crashedGuestHostStaysDead && n !== options.home;
  if (!dead || !world.devices[other(n)].dead) {
    const crashed = withDevice(qemuEnds(orphaned, n, options), n, { ...stopped, dead });
    if (device.state !== undefined || device.qemu !== 'gone')
      add(`${name}: the host crashes`, false, crashed);
  }
  if (device.qemu !== 'gone') add(`${name}: QEMU dies`, false, qemuEnds(world, n, options));
  if (device.qemu === 'running') {
    const wrote = guestWrites(world, n);
    if (wrote !== world) add(`${name}: the guest writes`, false, wrote);
  }
}

function guestWrites(world: World, n: Number2): World {
  const peer = world.devices[other(n)];
  const makesStale =
    peer.qemu !== 'gone' && peer.qemu !== 'running' && peer.qemu !== 'inmigrate' && !peer.stale;
  const agesImage = world.around.image === 'good';
  if (world.around.written && !makesStale && !agesImage) return world;
  const wrote = withAround(world, { written: true, ...(agesImage ? { image: 'stale' as const } : {}) });
  return makesStale ? withDevice(wrote, other(n), { stale: true }) : wrote;
}

/** The stream breaks: a QEMU that was still receiving it ends. */
function migrationEnds(world: World): World {
  const migration = world.around.migration;
  if (migration === undefined) return world;
  const target = other(migration.source);
  const rest = withAround(world, { migration: undefined });
  return rest.devices[target].qemu === 'inmigrate' ? withDevice(rest, target, { qemu: 'gone' }) : rest;
}

/** No more of it is written: what is written already stays. */
function saveEnds(world: World, n: Number2, options: WorldOptions): World {
  const { save } = world.around;
  if (save === undefined || n !== options.home || save.at === 'failed' || save.at === 'whole') return world;
  return withAround(world, { save: { ...save, at: 'failed' } });
}

/** Who wrote the image is gone. */
function orphanSave(world: World, n: Number2, options: WorldOptions): World {
  const { save } = world.around;
  if (save === undefined || n !== options.home || save.orphaned) return world;
  return withAround(world, { save: { ...save, orphaned: true } });
}

function qemuEnds(world: World, n: Number2, options: WorldOptions): World {
  const completed = world.around.save?.at === 'switched';
  const stopped = completed ? world : saveEnds(world, n, options);
  const ended = withDevice(stopped, n, { qemu: 'gone', stale: false });
  return world.around.migration?.source === n ? migrationEnds(ended) : ended;
}

function migrate(world: World, add: Add): void {
  const migration = world.around.migration;
  const at = (source: Number2, stage: NonNullable<typeof migration>['at']) =>
    withAround(world, { migration: { source, at: stage } });
  if (migration === undefined || migration.at === 'failed') {
    for (const n of [0, 1] as const) {
      const state = world.devices[n].state;
      const ready = state !== undefined && 'accepted' in state && world.devices[n].qemu === 'running';
      if (migration === undefined && ready && world.devices[other(n)].qemu === 'inmigrate') {
        add(`${names[n]}: the migration starts`, true, at(n, 'moving'));
      }
    }
    if (migration !== undefined && world.devices[migration.source].state?.position.at !== 'offering') {
      add('the failed migration is forgotten', true, withAround(world, { migration: undefined }));
    }
    return;
  }
  const { source } = migration;
  const target = other(source);
  const receiving = world.devices[target].qemu === 'inmigrate';
  if (migration.at === 'moving' && receiving) {
    const quiet = withAround(at(source, 'stopped'), { written: false });
    add('the migration stops the VM', true, withDevice(quiet, source, { qemu: 'stopping' }));
  }
  if (migration.at === 'switching' && receiving) {
    add(
      'the target has loaded all state',
      true,
      withDevice(at(source, 'loaded'), target, { qemu: 'paused', stale: false }),
    );
  }
  if (migration.at === 'loaded') {
    const ended = withAround(world, { migration: undefined });
    add('the source has completed', true, withDevice(ended, source, { qemu: 'postmigrate' }));
  }
  // QEMU resumes the VM of its own accord, whatever the target has loaded.
  const failed = withAround(migrationEnds(world), { migration: { source, at: 'failed' } });
  const targetGone = world.devices[target].qemu === 'gone';
  add('the migration fails, the source resumes', targetGone, withDevice(failed, source, { qemu: 'running' }));
}

function describeInput(input: Input): string {
  if (input.in === 'message') return `hears ${input.message.say}(${input.message.epoch})`;
  if (input.in === 'disk-inspected') return `the disk is ${input.disk}`;
  return input.in === 'resume-failed' ? `${input.in}, executed: ${input.executed}` : input.in;
}
