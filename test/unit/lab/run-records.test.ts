import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** In the place of the machine's temporary folder. */
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdr-'));
  vi.stubEnv('TMPDIR', folder);
  vi.resetModules();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const records = () => import('../../lab/network/sweep.ts');

describe('the records of running labs', () => {
  it('leave nothing behind when the last lab ends, also of process namespaces that are gone', async () => {
    const { recordRun, forgetRun } = await records();
    await mkdir(join(folder, `wireless-dock-lab-${process.getuid?.()}-1`));
    await recordRun('one', []);
    await forgetRun('one');
    expect(await readdir(folder)).toEqual([]);
  });

  it('stay for the labs that run on', async () => {
    const { recordRun, forgetRun } = await records();
    await Promise.all([recordRun('one', []), recordRun('two', [])]);
    await forgetRun('one');
    const left = await readdir(folder, { recursive: true });
    expect(left.map((path) => path.split('/').at(-1)).toSorted()).toEqual([
      'two',
      'two.json',
      expect.stringMatching(/^wireless-dock-lab-\d+-\d+$/),
    ]);
  });
});
