import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import { docked } from './trip-outcome.ts';
import { controlSocket, jsonLines } from './wdock-fixture.ts';

const started = {
  kind: 'trip-started',
  at: 1,
  trip: 'dock',
  workspace: 'work',
  from: 'mid',
  to: 'pc',
  simulated: true,
} as const;

describe('wdock dock', () => {
  it('shows the stages and then the outcome', async () => {
    await using daemon = await controlSocket({
      dock: async ({ target }, { progress }) => {
        progress({ ...started, to: target });
        progress({ kind: 'stage-started', at: 2, stage: 'transfer' });
        for (let n = 0; n < 100; n++) {
          progress({
            kind: 'stage-progress',
            at: 2 + n,
            stage: 'transfer',
            fraction: n / 100,
            text: `${n} MiB`,
          });
        }
        progress({ kind: 'stage-done', at: 103, stage: 'transfer', ms: 101 });
        progress({ kind: 'trip-done', at: 104, outcome: docked });
        return docked;
      },
    });
    const { exit, out } = await daemon.run('dock', 'pc');
    expect(exit).toBe(0);
    const lines = out.split('\n');
    expect(lines.slice(0, 3)).toEqual([
      'dock work: mid -> pc (simulated)',
      'transfer: 0 MiB (0 %)', // and no more of them within two seconds
      'transfer: done in 101 ms',
    ]);
    expect(lines[3]).toMatch(/^docked work: mid -> pc \(simulated\)/);
  });

  it('says what had to be sent again because a link was lost', async () => {
    await using daemon = await controlSocket({ dock: async () => ({ ...docked, resentBytes: 1_230_000 }) });
    expect((await daemon.run('dock', 'pc')).out).toMatch(
      /^ {2}sent again +1\.2 MB, for a link was lost on the way$/m,
    );
  });

  it('says what a kiosk can do, and docks there only when that was accepted', async () => {
    const words = 'whoever is root on it can read all';
    await using daemon = await controlSocket({
      dock: async ({ iKnowTheKioskCanReadIt }) => {
        if (iKnowTheKioskCanReadIt === true) return docked;
        throw new DockError('untrusted', `${words}; say so`, { detail: { kioskRisk: words } });
      },
    });
    const refused = await daemon.run('dock', 'pc');
    expect(refused).toMatchObject({ exit: 4, err: expect.stringContaining(words) });
    expect((await daemon.run('dock', 'pc', '--i-know-the-kiosk-can-read-it')).exit).toBe(0);
  });

  it('streams one object a line for programs, of which the last is the outcome', async () => {
    await using daemon = await controlSocket({
      dock: async (_params, { progress }) => {
        progress(started);
        progress({ kind: 'note', at: 2, text: 'x' });
        progress({ kind: 'trip-done', at: 3, outcome: docked });
        return docked;
      },
      undock: async () => docked, // a daemon that forgets the last event does not leave a program without it
    });
    const lines = jsonLines((await daemon.run('--json', 'dock', 'pc')).out);
    expect(lines.map(({ kind }) => kind)).toEqual(['trip-started', 'note', 'trip-done']);
    expect(lines[2]).toMatchObject({ outcome: { totalMs: docked.totalMs } });
    expect(jsonLines((await daemon.run('--json', 'undock')).out)).toMatchObject([
      { kind: 'trip-done', outcome: docked },
    ]);
  });

  it('says in which stage it failed, where the workspace runs, and ends with the code of the reason', async () => {
    const error = new DockError('does-not-fit', 'the guest uses 2.9 GiB, pc can give 1.0 GiB');
    await using daemon = await controlSocket({
      dock: async (_params, { progress }) => {
        progress(started);
        progress({ kind: 'trip-failed', at: 2, stage: 'plan', error: error.toData(), runsOn: 'mid' });
        throw error;
      },
    });
    expect(await daemon.run('dock', 'pc')).toEqual({
      exit: 4,
      out: 'dock work: mid -> pc (simulated)\n',
      err: 'wdock: plan: the guest uses 2.9 GiB, pc can give 1.0 GiB; the workspace runs on mid\n',
    });
    const lines = jsonLines((await daemon.run('--json', 'dock', 'pc')).out);
    expect(lines.at(-1)).toMatchObject({ kind: 'trip-failed', stage: 'plan', runsOn: 'mid' });
  });

  /** A dock that waits until it is cancelled, and then does as it is told. */
  const waiting = (atCancel: 'undo' | 'too-late' | 'never') =>
    controlSocket({
      dock: async (_params, { signal, progress }) => {
        progress(started);
        await once(signal, 'abort');
        if (atCancel === 'never') await new Promise(() => undefined);
        if (atCancel === 'too-late') return docked;
        const error = new DockError('cancelled', 'the dock was cancelled');
        progress({ kind: 'trip-failed', at: 2, stage: 'transfer', error: error.toData(), runsOn: 'mid' });
        throw error;
      },
    });

  it('cancels on Ctrl-C, waits for the undo, and says where the workspace runs', async () => {
    await using daemon = await waiting('undo');
    const wdock = daemon.wdock('dock', 'pc');
    await wdock.printed('dock work');
    wdock.interrupt();
    const { exit, err } = await wdock.ended;
    expect(exit).toBe(130);
    expect(err).toMatch(/^Cancelling, and undoing/);
    expect(err).toMatch(/wdock: transfer: the dock was cancelled; the workspace runs on mid\n$/);
  });

  it('shows the outcome when Ctrl-C came too late', async () => {
    await using daemon = await waiting('too-late');
    const wdock = daemon.wdock('dock', 'pc');
    await wdock.printed('dock work');
    wdock.interrupt();
    const { exit, out } = await wdock.ended;
    expect(exit).toBe(0);
    expect(out).toContain('too late to cancel');
    expect(out).toContain('docked work: mid -> pc');
  });

  it('leaves at once on a second Ctrl-C, and says that wdockd goes on', async () => {
    const daemon = await waiting('never');
    await using _folder = daemon.folder;
    const wdock = daemon.wdock('dock', 'pc');
    await wdock.printed('dock work');
    wdock.interrupt();
    await wdock.printed('Cancelling');
    wdock.interrupt();
    const { exit, err } = await wdock.ended;
    expect(exit).toBe(130);
    expect(err).toContain('goes on undoing');
    // the handler never ends, so the server cannot stop in good order, and says so
    await expect(daemon.server.stop(AbortSignal.timeout(50))).rejects.toMatchObject({ kind: 'timeout' });
  });

  it.each([
    ['in the hand-over', 'stage-started', 'hand-over', 'where it is not too late', 'or finishes it'],
    ['past the hand-over', 'stage-done', 'hand-over', 'Too late to cancel', 'has moved, and wdockd finishes'],
    ['in adapt', 'stage-started', 'adapt', 'Too late to cancel', 'has moved, and wdockd finishes'],
  ] as const)('promises no undo %s', async (_when, kind, stage, first, second) => {
    const daemon = await controlSocket({
      dock: async (_params, { progress }) => {
        progress(started);
        progress(kind === 'stage-done' ? { kind, at: 2, stage, ms: 1 } : { kind, at: 2, stage });
        progress({ kind: 'note', at: 3, text: 'here' });
        return await new Promise<never>(() => undefined);
      },
    });
    await using _folder = daemon.folder;
    const wdock = daemon.wdock('dock', 'pc');
    await wdock.printed('here');
    wdock.interrupt();
    await wdock.printed(first);
    wdock.interrupt();
    const { err } = await wdock.ended;
    expect(err).toContain(second);
    expect(err).not.toContain('undoing');
    await expect(daemon.server.stop(AbortSignal.timeout(50))).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('is told how the undo went when wdockd stops meanwhile', async () => {
    const daemon = await waiting('undo');
    await using _folder = daemon.folder;
    const wdock = daemon.wdock('dock', 'pc');
    await wdock.printed('dock work');
    await daemon.server.stop(AbortSignal.timeout(5_000));
    const { exit, err } = await wdock.ended;
    expect(exit).toBe(130);
    expect(err).toContain('the workspace runs on mid');
  });
});

describe('wdock watch', () => {
  it('prints until Ctrl-C, which is its ordinary end', async () => {
    await using daemon = await controlSocket({
      watch: async (_params, { signal, progress }) => {
        progress({ kind: 'trip', at: 0, workspace: 'work', event: started });
        progress({
          kind: 'device',
          at: 0,
          status: { id: 'x', name: 'pc', fingerprint: 'A', reachable: false, self: false },
        });
        await once(signal, 'abort');
        return {};
      },
    });
    const wdock = daemon.wdock('watch');
    await wdock.printed('not reachable');
    wdock.interrupt();
    const { exit, out } = await wdock.ended;
    expect(exit).toBe(0);
    expect(out).toMatch(/work {2}dock work: mid -> pc \(simulated\)\n.* pc {2}not reachable\n$/);
  });
});
