import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CachedBuild, cachedBuild } from '../../lab/cache/cached-build.ts';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'lab-cache-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const signal = AbortSignal.timeout(60_000);

function thing(key: string, changes: Partial<CachedBuild> = {}): CachedBuild {
  return {
    title: 'a thing',
    kind: 'thing',
    key,
    neededMiB: 1,
    build: (folder) => writeFile(join(folder, 'content'), key),
    ...changes,
  };
}

const provide = (build: CachedBuild, by = signal, said: string[] = []) =>
  cachedBuild(build, cache, (message) => said.push(message), by);

const shelf = async () => (await readdir(join(cache, 'thing'))).filter((name) => name !== '.lock').sort();

describe('a cached build', () => {
  it('leaves nothing behind when it fails, and can be tried again', async () => {
    const failing = thing('a', {
      build: async (folder) => {
        await writeFile(join(folder, 'half'), '');
        throw new Error('the archive does not answer');
      },
    });
    await expect(provide(failing)).rejects.toThrow('the archive does not answer');
    expect(await shelf()).toEqual([]);
    await provide(thing('a'));
    expect(await shelf()).toEqual(['a']);
  });

  it('takes nothing of a killed build for a result, and removes it', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'hanging-build.ts'), cache, 'a']);
    await once(child.stdout, 'data', { signal });
    expect(await shelf()).toEqual(['unfinished-a']);
    child.kill('SIGKILL');
    await once(child, 'close');

    const folder = await provide(thing('b'));
    expect(await readFile(join(folder, 'content'), 'utf8')).toBe('b');
    expect(await shelf()).toEqual(['b']);
  });

  it('is not waited for any longer than its caller wants', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'hanging-build.ts'), cache, 'a']);
    await once(child.stdout, 'data', { signal });
    const said: string[] = [];
    const stop = new AbortController();
    const waiting = cachedBuild(
      thing('a'),
      cache,
      (message) => {
        said.push(message);
        stop.abort(new Error('enough'));
      },
      stop.signal,
    );
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    expect(said).toEqual(['another process is building a thing; waiting for it']);
    child.kill('SIGKILL');
    await once(child, 'close');
  });

  it('is done once when several ask at the same time', async () => {
    let builds = 0;
    const build = thing('a', {
      build: async (folder) => {
        builds++;
        await writeFile(join(folder, 'content'), 'x');
      },
    });
    const folders = await Promise.all([provide(build), provide(build), provide(build)]);
    expect(new Set(folders).size).toBe(1);
    expect(builds).toBe(1);
  });

  it('is refused with the numbers where the disk is too full, before it starts', async () => {
    const neededMiB = 2 ** 40;
    await expect(provide(thing('a', { neededMiB }))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(
        /needs 1099511627776 MiB in .* has \d+ MiB free; make room, or set WDOCK_CACHE/,
      ),
      detail: { neededMiB },
    });
  });

  it('says so where the disk fills up on the way', async () => {
    const build = async () => {
      throw new Error('tar: ./usr/lib: Cannot write: No space left on device');
    };
    await expect(provide(thing('a', { build }))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('filled up while building a thing'),
    });
  });

  it('keeps the three versions used last', async () => {
    for (const key of ['a', 'b', 'c']) {
      const folder = await provide(thing(key));
      const past = new Date(Date.now() - 60_000 * (key.charCodeAt(0) - 90));
      await utimes(folder, past, past);
    }
    // Made first and longest ago, but used again now.
    await utimes(join(cache, 'thing', 'a'), 0, 0);
    await provide(thing('a'));
    await provide(thing('d'));
    expect(await shelf()).toEqual(['a', 'b', 'd']);
  });
});
