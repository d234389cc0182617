import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import type { ResumeOutcome, SuspendOutcome } from '../../../protocol/suspension.ts';
import { docked } from './trip-outcome.ts';
import { controlSocket, jsonLines } from './wdock-fixture.ts';

const image = 'ab'.repeat(32);
const suspended: SuspendOutcome = {
  workspace: 'work',
  directory: '/media/stick',
  folder: '/media/stick/wireless-dock/work',
  image,
  device: 'mid',
  simulated: false,
  epoch: 2,
  at: Date.UTC(2026, 0, 2),
  totalMs: 9_000,
  stoppedMs: 2_000,
  streamBytes: 200_000_000,
  writtenBytes: 60_000_000,
  imageBytes: 70_000_000,
  pages: { zero: 5, reused: 3, repeated: 2, written: 100 },
  stages: [],
  guest: null,
  devices: ['pc'],
};
const resumed: ResumeOutcome = {
  workspace: 'work',
  directory: '/media/stick',
  image,
  from: 'mid',
  suspendedAt: suspended.at,
  to: 'pc',
  simulated: false,
  epoch: 3,
  totalMs: 8_000,
  adaptMs: 3_000,
  streamBytes: 200_000_000,
  imageBytes: 70_000_000,
  stages: [],
  guest: docked.guest,
  shortfalls: [],
};

describe('wdock suspend and resume', () => {
  it('fails with the code of the reason, and with one object for programs', async () => {
    const why = '"work" was not suspended and runs on here: /media/stick is full';
    await using daemon = await controlSocket({
      suspend: async () => {
        throw new DockError('does-not-fit', why);
      },
    });
    expect(await daemon.run('suspend', '--to', '/media/stick')).toEqual({
      exit: 4,
      out: '',
      err: `wdock: ${why}\n`,
    });
    const [only] = jsonLines((await daemon.run('--json', 'suspend', '--to', '/media/stick')).out);
    expect(only).toEqual({ error: { kind: 'does-not-fit', message: why } });
    expect((await daemon.run('suspend')).exit).toBe(2);
  });

  it('shows how far it is, what was written, and where it can go on', async () => {
    const asked: unknown[] = [];
    await using daemon = await controlSocket({
      suspend: async (params, { progress }) => {
        asked.push(params);
        progress({ kind: 'stage-started', at: 1, stage: 'transfer' });
        progress({ kind: 'stage-progress', at: 2, stage: 'transfer', fraction: 0.5, text: 'half' });
        return suspended;
      },
    });
    const { exit, out } = await daemon.run('suspend', 'work', '--to', '/media/stick/', '--now');
    expect(exit).toBe(0);
    expect(asked).toEqual([{ workspace: 'work', directory: '/media/stick', now: true }]);
    expect(out).toContain('transfer: half (50 %)');
    expect(out).toContain('suspended work: mid -> /media/stick');
    expect(out).toContain('abababababab, ');
    expect(out).toContain('here, on pc');
    expect(out).toContain('wdock resume /media/stick');
    const lines = jsonLines((await daemon.run('--json', 'suspend', '--to', '/media/stick')).out);
    expect(lines.at(-1)).toMatchObject({ kind: 'suspended', outcome: suspended });
  });

  it('shows the guest before and after', async () => {
    await using daemon = await controlSocket({ resume: async () => resumed });
    const { exit, out } = await daemon.run('resume', '/media/stick');
    expect(exit).toBe(0);
    expect(out).toContain('resumed work: /media/stick -> pc');
    expect(out).toMatch(/vCPUs +1 +4/);
    expect(out).toContain('2026-01-02T00:00:00.000Z, on mid');
    const lines = jsonLines((await daemon.run('--json', 'resume', '/media/stick')).out);
    expect(lines.at(-1)).toMatchObject({ kind: 'resumed', outcome: resumed });
  });

  it('asks to stop at Ctrl-C, and waits for how it ends', async () => {
    await using daemon = await controlSocket({
      suspend: async (_params, { signal, progress }) => {
        progress({ kind: 'note', at: 1, text: 'it has begun' });
        await once(signal, 'abort');
        throw new DockError('cancelled', '"work" was not suspended and runs on here: cancelled');
      },
    });
    const running = daemon.wdock('suspend', '--to', '/media/stick');
    await running.printed('it has begun');
    running.interrupt();
    expect(await running.ended).toMatchObject({ exit: 130, err: expect.stringContaining('runs on here') });
  });
});
