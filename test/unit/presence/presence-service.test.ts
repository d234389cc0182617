import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { formatFingerprint } from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { atHome, pc, presence, self, visitor } from './presence-fixture.ts';

const docked = { ...atHome, where: { at: pc.id } };

describe('a source that is not to be had here', () => {
  it('is left out and logged, and the others are heard', async () => {
    const broken = {
      name: 'avahi',
      observe: async () => {
        throw new DockError('missing-dependency', 'avahi-daemon does not run; install it');
      },
    };
    await using here = await presence({ triggers: '{ dock: auto }', sources: [broken] });
    here.measure(-50, 30);
    expect((await here.places.call(0)).trip).toBe('dock');
    expect(here.logged.join('')).toContain('avahi-daemon does not run');
  });

  it('is heard when it is there after all, and its lack was logged once', async () => {
    let tries = 0;
    const late = {
      name: 'power',
      observe: async (_told: unknown, signal: AbortSignal) => {
        tries += 1;
        if (tries < 3) throw new DockError('missing-dependency', 'not installed yet');
        await once(signal, 'abort');
      },
    };
    await using here = await presence({ triggers: '{ dock: auto }', sources: [late] });
    for (const before of [1, 2]) {
      await expect.poll(() => tries).toBe(before);
      await expect.poll(() => here.logged.join('')).toContain('not installed yet');
      here.measure(-50, 61);
    }
    await expect.poll(() => tries).toBe(3);
    expect(here.logged.filter((line) => line.includes('not installed yet'))).toHaveLength(1);
  });
});

describe('a mistake in a policy', () => {
  it('leaves the triggers as they were, is told to who asks, and logged once', async () => {
    await using here = await presence({ triggers: '{ dock: auto }' });
    await here.write('{ dock: sometimes }');
    for (const _again of [1, 2])
      await expect(here.call('presence.rules', {})).rejects.toMatchObject({ kind: 'config-invalid' });
    here.measure(-50, 30);
    expect((await here.places.call(0)).trip).toBe('dock');
    expect(here.logged.filter((line) => line.includes('expected one of never, ask, auto'))).toHaveLength(1);
  });
});

describe('a trip by a rule', () => {
  it('that fails is tried again after the hold-off, not before', async () => {
    await using here = await presence({ triggers: '{ dock: auto, holdOff: 2 min }' });
    here.measure(-50, 30);
    const first = await here.places.call(0);
    first.fail(new DockError('does-not-fit', 'too big'));
    await expect.poll(() => here.logged.join('')).toContain('too big');
    here.measure(-50, 110);
    expect(here.places.calls).toHaveLength(1);
    here.measure(-50, 40);
    expect((await here.places.call(1)).trip).toBe('dock');
  });

  it('that its user cancels is not tried again while they stay near', async () => {
    await using here = await presence({ triggers: '{ dock: auto, holdOff: 0 s }' });
    here.measure(-50, 30);
    (await here.places.call(0)).fail(new DockError('cancelled', 'the move was cancelled by its user'));
    await expect.poll(() => here.logged.join('')).toContain('cancelled by its user');
    here.measure(-50, 3_600);
    expect(here.places.calls).toHaveLength(1);
  });

  it('is undone when wdockd stops, and wdockd waits for that', async () => {
    await using here = await presence({ triggers: '{ dock: auto }' });
    here.measure(-50, 30);
    const trip = await here.places.call(0);
    await here.service.stop();
    expect(trip.signal.aborted).toBe(true);
    expect(here.places.list()).toEqual([atHome]);
  });

  it('goes by the ordinary way, and is told to those who watch with its reason', async () => {
    await using here = await presence({ triggers: '{ dock: auto }' });
    expect(here.last()).toMatchObject({ status: { state: 'away' } });
    here.measure(-50, 3);
    expect(here.last()).toMatchObject({
      status: { device: 'pc', workspace: 'work', state: 'near', next: 'dock when that has lasted a while' },
    });
    here.measure(-50, 25);
    const trip = await here.places.call(0);
    expect(trip).toMatchObject({ trip: 'dock', workspace: 'work', target: pc.id });
    trip.arrive();
    await expect.poll(here.last).toMatchObject({ status: { state: 'docked' } });
  });

  it('waits for another one, and is left out when the device has gone meanwhile', async () => {
    const play = { ...atHome, name: 'play' };
    await using here = await presence({ triggers: '{ dock: auto }', workspaces: [atHome, play] });
    here.measure(-50, 30);
    const first = await here.places.call(0);
    here.tell({ kind: 'link-lost', device: pc.id });
    first.arrive();
    await expect.poll(() => here.logged.join('')).toContain('the device went away while another workspace');
    expect(here.places.calls).toHaveLength(1);
  });

  it('is made to one device, where two are near', async () => {
    await using here = await presence({ triggers: '{ dock: auto, undock: never }' });
    const { id, certificatePem } = await generateIdentity('tv');
    const fingerprint = formatFingerprint(id);
    await here.trust.add({ name: 'tv', certificatePem, fingerprint, address: '192.0.2.8' });
    await here.call('presence.rules', {});
    here.measure(-50, 30, [pc.id, id]);
    (await here.places.call(0)).arrive();
    await expect.poll(here.places.list).toMatchObject([{ where: { at: pc.id } }]);
    here.measure(-50, 60, [pc.id, id]);
    expect(here.places.calls).toHaveLength(1);
    expect(here.logged.join('')).not.toContain('did not come about');
  });

  it('is not made to a device that was forgotten', async () => {
    await using here = await presence({ triggers: '{ dock: auto }' });
    here.measure(-50, 10);
    await here.trust.forget('pc');
    here.measure(-50, 60);
    expect(here.places.calls).toEqual([]);
  });
});

describe('a workspace that was undocked by hand, on either device', () => {
  it('is not docked again while they stay near', async () => {
    await using here = await presence({ triggers: '{ dock: auto, holdOff: 0 s }', workspaces: [docked] });
    here.measure(-50, 60);
    here.places.move('work', 'moving');
    here.places.move('work', { at: self.id });
    here.measure(-50, 3_600);
    expect(here.places.calls).toEqual([]);
    expect(here.last()).toMatchObject({ status: { next: expect.stringContaining('undocked by hand') } });
  });
});

describe('a trigger that asks', () => {
  const asking = '{ dock: ask, answerIn: 60 s }';

  it('does nothing without an answer', async () => {
    await using here = await presence({ triggers: asking });
    here.measure(-50, 30);
    expect(here.last()).toMatchObject({ status: { question: { trip: 'dock', why: 'it is near' } } });
    here.measure(-50, 90);
    expect(here.places.calls).toEqual([]);
    await expect(here.call('presence.answer', { answer: 'yes' })).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('docks on a yes, which is good for once', async () => {
    await using here = await presence({ triggers: asking });
    here.measure(-50, 30);
    expect(await here.call('presence.answer', { answer: 'yes' })).toMatchObject({
      device: 'pc',
      workspace: 'work',
      question: { trip: 'dock' },
    });
    expect((await here.places.call(0)).target).toBe(pc.id);
    await expect(here.call('presence.answer', { answer: 'yes' })).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('wants to know which question is answered where there are two', async () => {
    const play = { ...atHome, name: 'play' };
    await using here = await presence({ triggers: asking, workspaces: [atHome, play] });
    here.measure(-50, 30);
    await expect(here.call('presence.answer', { answer: 'yes' })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('there are 2 questions'),
    });
    await here.call('presence.answer', { answer: 'yes', workspace: 'play' });
    expect((await here.places.call(0)).workspace).toBe('play');
  });
});

describe('a device that is about to sleep', () => {
  it('is held awake, from the same turn on, until the visitor is home', async () => {
    await using here = await presence({ triggers: '{ undock: never }', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'sleep' });
    expect(here.stayAwake.held).toBe(1);
    const released = here.stayAwake.released();
    const trip = await here.places.call(0);
    expect(trip).toMatchObject({ trip: 'undock', workspace: 'work' });
    expect(here.stayAwake.held).toBe(1);
    trip.arrive();
    await released;
    expect(here.places.list()).toMatchObject([{ where: { at: pc.id } }]);
    expect(here.stayAwake.held).toBe(0);
  });

  it('is left at the second try where the link stumbles at the first, and is held awake meanwhile', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'sleep' });
    const released = here.stayAwake.released();
    (await here.places.call(0)).fail(new DockError('peer-gone', 'pc does not answer'));
    await expect.poll(() => here.logged.join('')).toContain('once more, while there is time');
    expect(here.stayAwake.held).toBe(1);
    here.clock.pass(2_000);
    (await here.places.call(1)).arrive();
    await released;
    expect(here.places.list()).toMatchObject([{ where: { at: pc.id } }]);
  });

  it('is not left by a VM that has no room at home, however often it were asked', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'sleep' });
    const released = here.stayAwake.released();
    (await here.places.call(0)).fail(new DockError('does-not-fit', '300 MiB too big'));
    await released;
    expect(here.places.calls).toHaveLength(1);
  });

  it('is held awake for a trip that somebody began by hand, and does not disturb it', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.places.move('work', 'moving');
    here.tell({ kind: 'leaving', why: 'shutdown' });
    const released = here.stayAwake.released();
    expect(here.stayAwake.held).toBe(1);
    here.places.move('work', { at: pc.id });
    await released;
    expect(here.places.calls).toEqual([]);
  });

  it('is not held awake for nothing, nor where the policy says stay', async () => {
    await using idle = await presence({ triggers: '{}' });
    idle.tell({ kind: 'leaving', why: 'sleep' });
    expect(idle.stayAwake.held).toBe(0);
    await using staying = await presence({ triggers: '{ leaving: stay }', workspaces: [visitor] });
    staying.tell({ kind: 'leaving', why: 'sleep' });
    expect(staying.stayAwake.held).toBe(0);
    expect(staying.places.calls).toEqual([]);
  });
});

describe('a device that will not wait much longer with its sleep', () => {
  const late = new DockError('timeout', 'this device is about to leave');
  const stays = 'not in time: "work" stays here, the computer sleeps with it';

  it('keeps a visitor whose way home is not over, and is held awake until that is undone', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'sleep' });
    const trip = await here.places.call(0);
    const released = here.stayAwake.released();
    here.stayAwake.late.abort(late);
    expect(trip.signal.reason).toMatchObject({ kind: 'timeout', message: stays });
    await released;
    expect(here.places.list()).toEqual([visitor]);
    expect(here.logged.join('')).toContain(JSON.stringify(stays).slice(1, -1));
    expect(here.logged.join('')).not.toContain('did not come about');
  });

  it('begins no trip that waited for another one', async () => {
    const play = { ...atHome, name: 'play' };
    await using here = await presence({ triggers: '{ dock: auto }', workspaces: [atHome, play] });
    here.measure(-50, 30);
    const first = await here.places.call(0);
    here.tell({ kind: 'leaving', why: 'sleep' });
    await expect.poll(() => here.stayAwake.held).toBe(1);
    const released = here.stayAwake.released();
    here.stayAwake.late.abort(late);
    await released;
    expect(first.signal.aborted).toBe(true);
    expect(here.places.calls).toHaveLength(1);
    expect(here.places.list()).toEqual([atHome, play]);
  });

  it('lets a hand-over that has begun go on, and says nothing of a stay', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'sleep' });
    const trip = await here.places.call(0);
    const released = here.stayAwake.released();
    trip.handOver();
    here.stayAwake.late.abort(late);
    expect(here.stayAwake.held).toBe(1);
    trip.arrive();
    await released;
    expect(here.places.list()).toMatchObject([{ where: { at: pc.id } }]);
    expect(here.logged.join('')).not.toContain('not in time');
  });

  it('ends a trip that somebody began by hand', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.places.move('work', 'moving');
    here.tell({ kind: 'leaving', why: 'sleep' });
    await expect.poll(() => here.stayAwake.held).toBe(1);
    here.stayAwake.late.abort(late);
    expect(here.places.kept).toMatchObject([{ kind: 'timeout', message: stays }]);
    await expect.poll(() => here.logged.join('')).toContain('stays here, the computer sleeps with it');
    here.places.move('work', { at: self.id });
  });

  it('tries to the last to get a visitor home before a shutdown, which would be a power cut for it', async () => {
    await using here = await presence({ triggers: '{}', workspaces: [visitor] });
    here.tell({ kind: 'leaving', why: 'shutdown' });
    const trip = await here.places.call(0);
    const released = here.stayAwake.released();
    here.stayAwake.late.abort(late);
    expect(trip.signal.aborted).toBe(false);
    expect(here.logged.join('')).toContain('what has not left by then loses its power');
    trip.arrive();
    await released;
  });

  it.each([
    ['sleep', 'until this computer wakes'],
    ['shutdown', 'until this computer is on again'],
  ] as const)('leaves a workspace away that has not come home before its %s', async (why, until) => {
    await using here = await presence({ triggers: '{}', workspaces: [docked] });
    here.tell({ kind: 'leaving', why });
    const trip = await here.places.call(0);
    const released = here.stayAwake.released();
    here.stayAwake.late.abort(late);
    expect(trip.signal.aborted).toBe(true);
    await released;
    expect(here.places.list()).toEqual([docked]);
    expect(here.logged.join('')).toContain(`stays where it is, and waits for its disk ${until}`);
  });
});
