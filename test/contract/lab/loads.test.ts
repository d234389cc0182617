import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LoadRunner } from '../../lab/loads/load-runner.ts';

/** A load takes a second or two to start on a busy machine. */
const soon = { timeout: 30_000, interval: 50 };

describe('the loads of the lab’s guest, here on this machine', { timeout: 90_000 }, () => {
  let folder: string;
  let runner: LoadRunner;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wdock-loads-'));
    vi.stubEnv('LAB_LOAD_FOLDER', folder);
    runner = new LoadRunner(join(import.meta.dirname, '../../lab/loads/guest-main.ts'));
  });

  afterEach(async () => {
    await runner.start('idle', 1);
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  const done = () => runner.state?.done ?? 0;

  it('are left as they are by a name that is none of them', async () => {
    await runner.start('idle', 1);
    await runner.start('games', 4);
    expect(runner.state).toEqual({ load: 'idle', speed: 1, done: 0, finished: true });
  });

  it.each(['browser', 'video', 'build'])(
    'go on with "%s", at another speed without a new start',
    async (load) => {
      await runner.start(load, 1);
      expect(runner.state).toEqual({ load, speed: 1, done: 0, finished: false });
      await vi.waitFor(() => expect(done()).toBeGreaterThan(2), soon);
      const before = done();
      await runner.start(load, 3);
      expect(runner.state).toMatchObject({ speed: 3 });
      await vi.waitFor(() => expect(done()).toBeGreaterThan(before + 2), soon);
      expect(runner.state).toMatchObject({ load, speed: 3, finished: false });
      expect((await readdir(folder)).length).toBe(load === 'video' ? 0 : 1);
    },
  );

  it('end with the next one, of which nothing is counted that the one before has done', async () => {
    await runner.start('video', 1);
    await vi.waitFor(() => expect(done()).toBeGreaterThan(2), soon);
    await runner.start('idle', 1);
    expect(runner.state).toEqual({ load: 'idle', speed: 1, done: 0, finished: true });
  });
});
