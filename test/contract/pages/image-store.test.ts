import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { key, wholeEpoch } from './keeping-fixture.ts';

const program = (name: string): string => join(import.meta.dirname, name);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kept-image-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('an image on a real file system', () => {
  it('is the old one or the new one, with all its pages, whenever its writer is killed', async () => {
    const store = new ImageFolder(folder, key, 'a machine');
    let before = 0;
    for (let round = 0; round < 14; round += 1) {
      const writer = spawn(process.execPath, [program('image-writer-program.ts'), folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(writer, 'exit');
      let done = before;
      let begun = before;
      for await (const line of createInterface({ input: writer.stdout })) {
        const [what, epoch] = line.split(' ');
        if (what === 'done') done = Number(epoch);
        else begun = Number(epoch);
        if (what === 'begin' && begun > before + 1) {
          await delay(round * 4); // at another moment of the writing each time
          writer.kill('SIGKILL');
        }
      }
      await exited;
      const found = wholeEpoch(store) ?? 0;
      expect(found).toBeGreaterThanOrEqual(done);
      expect(found).toBeLessThanOrEqual(begun);
      before = found;
    }
    expect(before).toBeGreaterThanOrEqual(14);
  }, 120_000);

  it('stays whole when there is no room for another one, and nothing of that is left', async () => {
    const { stdout } = await promisify(execFile)('unshare', [
      '--map-root-user',
      '--mount',
      'sh',
      '-ec',
      'mount -t tmpfs -o size=10m none "$1"; exec "$2" "$3" "$1"',
      'sh',
      folder,
      process.execPath,
      program('full-disk-program.ts'),
    ]);
    const { free, ...rest } = JSON.parse(stdout) as { free: number };
    expect(rest).toEqual({
      asked: { kind: 'does-not-fit', free },
      surprised: { kind: 'does-not-fit', free },
      left: 1,
    });
  });
});
