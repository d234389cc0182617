import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { wdockdFolder } from './processes.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes, on a machine that may be busy

const anyPort = { address: '127.0.0.1', port: 0 };
const mayMount = process.getuid?.() === 0;
/** Runs the rest of the line where this folder is on a file system that is read-only. */
const readOnly = (folder: string) => [
  ...['unshare', '--mount', 'sh', '-c'],
  'mount -t tmpfs -o ro none "$0" && exec "$@"',
  folder,
];

describe('wdockd says why its folders cannot be used', () => {
  it('where the state folder is a file', async () => {
    await using device = await wdockdFolder('mid', anyPort);
    await writeFile(join(device.path, 'state'), '');
    expect(await device.spawn().ended).toMatchObject({
      exit: 1,
      err: expect.stringMatching(
        /state cannot be used: something that is no folder has this name; .*`stateFolder`/,
      ),
    });
  });

  it('where the log is a folder', async () => {
    await using device = await wdockdFolder('mid', anyPort);
    await mkdir(join(device.path, 'state', 'log', 'wdockd.log'), { recursive: true });
    expect(await device.spawn().ended).toMatchObject({
      exit: 1,
      err: expect.stringMatching(/the log .*wdockd\.log cannot be written: a folder has this name/),
    });
  });

  it.runIf(mayMount)('where the file system is read-only, with the folder on it and without', async () => {
    for (const mounted of ['.', 'state']) {
      await using folder = await wdockdFolder('mid', anyPort);
      const place = join(folder.path, 'disk', mounted);
      await mkdir(place, { recursive: true });
      const state = join(folder.path, 'disk', 'state');
      await writeFile(folder.config, `device: {class: mid}\nstateFolder: ${state}\nruntimeFolder: run\n`);
      expect(await folder.spawn(readOnly(place)).ended).toMatchObject({
        exit: 1,
        err: expect.stringMatching(
          /state cannot be used: the file system is mounted read-only; .*`stateFolder`/,
        ),
      });
    }
  });
});
