import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { lonelyDevice, mayMakeNamespaces } from './lonely-device.ts';

vi.setConfig({ testTimeout: 120_000 }); // QEMU is asked what it can, on a machine that may be busy

describe.skipIf(!mayMakeNamespaces)('wdock workspace', () => {
  it('create says all that could never start, by the names of the options, and makes nothing', async () => {
    const { at, start, wdock, disk } = await lonelyDevice();
    await start();
    const path = await disk('work.img');
    await writeFile(at('policy.yaml'), 'version: 1\nmemmory:\n  share: 50%\n');
    const { exit, out, err } = await wdock(
      ...['workspace', 'create', 'work', '--disk', '/tmp', '--mac', 'FF:FF:FF:FF:FF:FF', '--uuid', '1'],
      ...['--base-memory', '99999999', '--address', '1.2.3.4', '--saved-state', at('nope')],
      ...['--kernel', at('nope'), '--initrd', '/dev/null', '--append', 'x'.repeat(5000)],
      ...['--policy', at('policy.yaml')],
    );
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    for (const option of ['disk', 'mac', 'uuid', 'base-memory', 'address', 'saved-state', 'kernel', 'initrd'])
      expect(err).toContain(`--${option}: `);
    expect(err).toContain(`${at('policy.yaml')}:2:1: memmory: unknown key`);
    const missing = await wdock('workspace', 'create', 'work', '--disk', path, '--policy', at('nope'));
    expect(missing).toMatchObject({ exit: 3, err: expect.stringContaining('--policy: there is no file') });
    expect((await wdock('--json', 'workspace', 'list')).out).toContain('"workspaces":[]');

    const made = await wdock('workspace', 'create', 'work', '--disk', path, '--mac', '52:54:00:AA:BB:01');
    expect(made).toMatchObject({ exit: 0, err: '' });
    expect(made.out).toContain(`disk: ${path}, qcow2, 64 MiB`);
    expect((await wdock('--json', 'workspace', 'show', 'work')).out).toContain('"52:54:00:aa:bb:01"');
    expect(await wdock('workspace', 'create', 'other', '--disk', path)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('the disk of the workspace "work" already'),
    });
  });

  it('start that fails closes the disk again', async () => {
    const { at, start, wdock, disk, isFree } = await lonelyDevice();
    await start();
    const path = await disk('disk');
    await writeFile(at('kernel'), 'no kernel');
    const files = ['--kernel', at('kernel'), '--initrd', at('kernel')];
    expect(
      await wdock('workspace', 'create', 'work', '--disk', path, ...files, '--base-memory', '128'),
    ).toMatchObject({ exit: 0 });
    await rm(at('kernel'));
    const { exit, err } = await wdock('workspace', 'start', 'work');
    expect({ exit, err }).toEqual({ exit: 1, err: expect.stringContaining(at('kernel')) });
    expect(await isFree(path)).toBe(true);
  });

  it('remove forgets what is stopped, says where its disk is, and leaves what is not its own', async () => {
    const { at, start, wdock, disk } = await lonelyDevice();
    await start();
    await mkdir(at('state', 'workspaces', 'work'), { recursive: true });
    const path = await disk('state/workspaces/work/disk.qcow2');
    await wdock('workspace', 'create', 'work', '--disk', path);
    expect(await wdock('workspace', 'remove', 'work')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('--yes'),
    });
    const removed = await wdock('workspace', 'remove', 'work', '--yes');
    expect(removed).toMatchObject({ exit: 0, err: '' });
    expect(removed.out).toContain(`Its disk is left: ${path}`);
    expect(await readdir(at('state', 'workspaces', 'work'))).toEqual(['disk.qcow2']);
    expect((await wdock('--json', 'workspace', 'list')).out).toContain('"workspaces":[]');
    // The name and the disk are free again.
    expect(await wdock('workspace', 'create', 'work', '--disk', path)).toMatchObject({ exit: 0 });
  });

  it('remove of one that runs is refused, of one that is not there, too', async () => {
    const { start, wdock, disk } = await lonelyDevice();
    await start();
    await wdock('workspace', 'create', 'work', '--disk', await disk('disk'), '--base-memory', '128');
    expect(await wdock('workspace', 'start', 'work')).toMatchObject({ exit: 0 });
    expect(await wdock('workspace', 'remove', 'work', '--yes')).toMatchObject({
      exit: 4,
      err: expect.stringContaining('wdock workspace stop work'),
    });
    expect(await wdock('workspace', 'remove', 'other', '--yes')).toMatchObject({ exit: 3 });
    expect(await wdock('workspace', 'stop', 'work', '--force')).toMatchObject({ exit: 0 });
    expect(await wdock('workspace', 'remove', 'work', '--yes')).toMatchObject({ exit: 0 });
  });

  it('remove forgets one that cannot be read, and says where its disk is as far as it can be known', async () => {
    const { at, start, wdock, disk } = await lonelyDevice();
    await using first = await start();
    const path = await disk('disk');
    await wdock('workspace', 'create', 'work', '--disk', path);
    first.kill('SIGTERM');
    await first.ended;
    await writeFile(at('state', 'workspaces', 'work', 'journal'), 'damaged');
    await start();
    const removed = await wdock('workspace', 'remove', 'work', '--yes');
    expect(removed).toMatchObject({ exit: 0, out: expect.stringContaining(`Its disk is left: ${path}`) });
    await expect(access(at('state', 'workspaces', 'work'))).rejects.toThrow();
    await access(path);
  });

  it('remove forgets a visitor whose home is forgotten, and says nothing of its disk, which is there', async () => {
    const { at, start, wdock, disk } = await lonelyDevice();
    await using first = await start();
    await wdock('workspace', 'create', 'work', '--disk', await disk('disk'));
    first.kill('SIGTERM');
    await first.ended;
    const record = JSON.parse(
      await readFile(at('state', 'workspaces', 'work', 'record.json'), 'utf8'),
    ) as object;
    const visitor = { ...record, name: 'visitor', homeDevice: 'f'.repeat(64) };
    await mkdir(at('state', 'workspaces', 'visitor'));
    await writeFile(at('state', 'workspaces', 'visitor', 'record.json'), JSON.stringify(visitor));
    await start();
    expect(await wdock('workspace', 'remove', 'visitor', '--yes')).toEqual({
      exit: 0,
      out: 'visitor is removed from this device.\n',
      err: '',
    });
    const { out } = await wdock('--json', 'workspace', 'list');
    expect(out).toContain('"work"');
    expect(out).not.toContain('visitor');
  });
});
