import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { link, mkdir, open, rename, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkDisk, type DiskWish } from '../../../host-plugins/pipeline/check-disk.ts';
import { runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { startStorageDaemon } from '../../../host-plugins/qemu/storage-daemon.ts';
import { compareDisk, markDisk } from '../../../host-plugins/workspace/disk-mark.ts';
import { Folder, soon } from '../qemu/machine-fixture.ts';

const run = promisify(execFile);

/** A folder with images that qemu-img makes. */
async function folderOfImages() {
  const folder = await Folder.create();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const at = (name: string) => join(folder.path, name);
  await mkdir(at('elsewhere'));
  return {
    at,
    async qcow2(name: string, ...options: string[]): Promise<string> {
      await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, at(name), '16M']);
      return at(name);
    },
    async raw(name: string, bytes = 1024 * 1024): Promise<string> {
      await writeFile(at(name), '');
      await truncate(at(name), bytes);
      return at(name);
    },
  };
}

const check = (path: string, more: Partial<DiskWish> = {}, taken: Parameters<typeof checkDisk>[1] = []) =>
  checkDisk({ path, backingFiles: [], ...more }, taken, soon());

const mebi = 1024 * 1024;

describe('the disk of a new workspace', () => {
  it('has the format of its content, whatever its name is', async () => {
    const { qcow2, raw } = await folderOfImages();
    expect(await check(await qcow2('work.img'))).toMatchObject({ format: 'qcow2', bytes: 16 * mebi });
    expect(await check(await raw('work.qcow2'))).toMatchObject({ format: 'raw', bytes: mebi });
  });

  it('of another format than is said is refused', async () => {
    const { qcow2, raw } = await folderOfImages();
    await expect(check(await qcow2('a'), { format: 'raw' })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('is qcow2 by its content'),
    });
    await expect(check(await raw('b'), { format: 'qcow2' })).rejects.toThrow(/is no qcow2/);
    expect(await check(await raw('c'), { format: 'raw' })).toMatchObject({ format: 'raw' });
  });

  it.each([
    ['/tmp', 'is a folder'],
    ['/dev/null', 'is a character device'],
    ['disk.qcow2', 'no absolute path'],
  ])('is not %s', async (path, message) => {
    await expect(check(path)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(message),
    });
  });

  it('has to be there, with whole sectors, and of a format that a VM can have', async () => {
    const { at, raw } = await folderOfImages();
    await expect(check(at('none'))).rejects.toMatchObject({ kind: 'not-found' });
    await expect(check(await raw('empty', 0))).rejects.toThrow(/is empty/);
    await expect(check(await raw('text', 1000))).rejects.toThrow(/no whole sectors/);
    await run('qemu-img', ['create', '-q', '-f', 'vmdk', at('v'), '16M']);
    await expect(check(at('v'))).rejects.toThrow(/is vmdk.*qemu-img convert -O qcow2/);
    await run('mkfifo', [at('pipe')]);
    await expect(check(at('pipe'))).rejects.toThrow(/pipe or socket/);
  });

  it('that another program has open is refused', async () => {
    const { at, qcow2 } = await folderOfImages();
    const path = await qcow2('disk');
    await mkdir(at('run'));
    const daemon = await startStorageDaemon({ path, format: 'qcow2' }, runtimeFiles(at('run')), soon());
    onTestFinished(() => daemon.kill(soon()));
    await expect(check(path)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('in use by another program'),
    });
  });

  it('is refused by any of its names when a workspace has it, or stands on it', async () => {
    const { at, qcow2 } = await folderOfImages();
    const path = await qcow2('disk');
    const taken = [{ workspace: 'work', path, format: 'qcow2' }] as const;
    await symlink(path, at('symbolic'));
    await link(path, at('hard'));
    for (const name of ['disk', 'symbolic', 'hard']) {
      await expect(check(at(name), {}, taken)).rejects.toThrow(/the disk of the workspace "work" already/);
    }
    const base = await qcow2('base');
    const overlay = await qcow2('overlay', '-F', 'qcow2', '-b', base);
    await expect(check(base, {}, [{ workspace: 'work', path: overlay, format: 'qcow2' }])).rejects.toThrow(
      /is the backing file of the disk of the workspace "work"/,
    );
    await expect(check(overlay, {}, [{ workspace: 'work', path: base, format: 'qcow2' }])).rejects.toThrow(
      /has the backing file .* the disk of the workspace "work"/,
    );
  });
});

describe('a backing file', () => {
  it('in the folder of the disk is taken and told, one elsewhere only when it is named', async () => {
    const { at, qcow2 } = await folderOfImages();
    const near = await qcow2('near');
    expect(await check(await qcow2('a', '-F', 'qcow2', '-b', 'near'))).toMatchObject({
      backingFiles: [near],
    });
    const far = await qcow2('elsewhere/far');
    await rename(far, at('base'));
    await mkdir(at('disks'));
    const disk = await qcow2('disks/disk', '-F', 'qcow2', '-b', at('base'));
    await expect(check(disk)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(`--backing-file ${at('base')}`),
    });
    expect(await check(disk, { backingFiles: [at('base')] })).toMatchObject({ backingFiles: [at('base')] });
  });

  it('that the disk does not have, or that is gone, is refused', async () => {
    const { at, qcow2 } = await folderOfImages();
    const other = await qcow2('other');
    await expect(check(await qcow2('a'), { backingFiles: [other] })).rejects.toThrow(/is no backing file of/);
    const disk = await qcow2('b', '-F', 'qcow2', '-b', 'other');
    await rename(other, at('moved'));
    await expect(check(disk)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/the backing file of .*there is no file/),
    });
  });

  it('on another computer, or of an unsaid format, is refused', async () => {
    const { at, qcow2, raw } = await folderOfImages();
    await raw('secret');
    const disk = await qcow2('a', '-F', 'raw', '-b', at('secret'));
    await run('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', 'nbd://192.0.2.1/x', disk]);
    await expect(check(disk)).rejects.toThrow(/no file of this device/);
  });

  it('for the data, as qcow2 can have it, is refused', async () => {
    const { at, qcow2 } = await folderOfImages();
    const disk = await qcow2('a', '-o', `data_file=${at('data')}`);
    await expect(check(disk)).rejects.toThrow(/keeps its data in another file/);
  });
});

/** A block device over a file; undefined where none can be made. */
async function loopDevice(file: string): Promise<string | undefined> {
  try {
    const device = (await run('losetup', ['--find', '--show', file])).stdout.trim();
    onTestFinished(async () => void (await run('losetup', ['--detach', device])));
    return device;
  } catch {
    return undefined;
  }
}

describe('a block device', () => {
  it('is taken when nothing of this computer uses it, is served, and tells nothing of who wrote', async (context) => {
    const { at, raw } = await folderOfImages();
    const device = await loopDevice(await raw('disk', 16 * mebi));
    if (device === undefined) return context.skip();
    expect(await check(device)).toMatchObject({ format: 'raw', bytes: 16 * mebi });
    await mkdir(at('run'));
    const daemon = await startStorageDaemon({ path: device, format: 'raw' }, runtimeFiles(at('run')), soon());
    await daemon.quit(soon());
    await markDisk(device, at('mark'), 1);
    expect(await compareDisk(device, at('mark'), 1)).toBe('unknown');
  });

  it('that is held, as a mounted one is, is refused', async (context) => {
    const { raw } = await folderOfImages();
    const device = await loopDevice(await raw('disk', 16 * mebi));
    if (device === undefined) return context.skip();
    // As the kernel does for a mount.
    await using holder = await open(device, constants.O_RDWR | constants.O_EXCL);
    void holder;
    await expect(check(device)).rejects.toThrow(/in use by this computer/);
  });
});
