import { describe, expect, it } from 'vitest';
import type { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { adoptStorageDaemon, startStorageDaemon } from '../../../host-plugins/qemu/storage-daemon.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { Folder, smallContract, soon, TestHost } from './machine-fixture.ts';

describe('the home disk', { timeout: 60_000 }, () => {
  for (const format of ['raw', 'qcow2'] as const) {
    it(`as ${format} is not opened by a second storage daemon`, async () => {
      await using folder = await Folder.create();
      await using other = await Folder.create();
      const image = { path: `${folder.path}/disk`, format };
      await run(['qemu-img', 'create', '-q', '-f', format, image.path, '16M'], {
        timeoutMs: 10_000,
        signal: soon(),
      });
      const first = await startStorageDaemon(image, runtimeFiles(folder.path), soon());
      await using cleanup = new AsyncDisposableStack();
      cleanup.defer(() => first.kill(soon()));
      await expect(startStorageDaemon(image, runtimeFiles(other.path), soon())).rejects.toMatchObject({
        kind: 'conflict',
      });
    });
  }

  it('that does not exist is said', async () => {
    await using folder = await Folder.create();
    const image = { path: `${folder.path}/none`, format: 'qcow2' } as const;
    await expect(startStorageDaemon(image, runtimeFiles(folder.path), soon())).rejects.toMatchObject({
      kind: 'qemu-refused',
      message: expect.stringContaining('No such file'),
    });
  });

  it('is served by the same daemon after a restart of wdockd', async () => {
    await using folder = await Folder.create();
    const files = runtimeFiles(folder.path);
    const image = { path: `${folder.path}/disk`, format: 'raw' } as const;
    await run(['qemu-img', 'create', '-q', '-f', 'raw', image.path, '16M'], {
      timeoutMs: 10_000,
      signal: soon(),
    });
    const first = await startStorageDaemon(image, files, soon());
    await first[Symbol.asyncDispose]();
    const second = await adoptStorageDaemon(files, soon());
    expect(second?.pid).toBe(first.pid);
    await second?.quit(soon());
    expect(await first.process.isAlive()).toBe(false);
  });

  it('that is away for a while stalls what is read, and loses nothing', async () => {
    await using host = await TestHost.create();
    const qemu = await host.startQemu(smallContract());
    await host.disk?.kill(soon());
    const done = readWholeDisk(qemu);
    // The job waits, and QEMU goes on answering.
    await expect(within(done, 500)).rejects.toMatchObject({ kind: 'timeout' });
    expect(await queryStatus(qemu.qmp, soon())).toMatchObject({ status: 'prelaunch' });
    await host.startDisk();
    expect(await done).toEqual({ error: undefined });
  });

  it('that is away does not keep a QEMU from being ended, though QEMU itself then hangs', async () => {
    await using host = await TestHost.create();
    const qemu = await host.startQemu(smallContract(), { paused: false });
    await host.disk?.kill(soon());
    // To stop is to flush the disk, and that waits for it, with the whole of QEMU.
    await expect(qemu.qmp.execute('stop', {}, soon(500))).rejects.toMatchObject({ kind: 'timeout' });
    await expect(queryStatus(qemu.qmp, soon(500))).rejects.toMatchObject({ kind: 'timeout' });
    await qemu.quit(soon());
    expect(await qemu.process.isAlive()).toBe(false);
  });
});

/** A job that reads the disk as a guest would; resolves when it has ended. */
async function readWholeDisk({ qmp }: QmpProcess): Promise<{ error: unknown }> {
  const events = qmp.events(soon(), 'BLOCK_JOB_COMPLETED');
  await qmp.execute(
    'blockdev-add',
    { driver: 'null-co', 'node-name': 'nowhere', size: 16 * 1024 * 1024 },
    soon(),
  );
  await qmp.execute(
    'blockdev-backup',
    { 'job-id': 'read', device: 'disk', target: 'nowhere', sync: 'full' },
    soon(),
  );
  for await (const { data } of events) {
    const { error } = data;
    return { error };
  }
  throw new Error('the job did not end in time');
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new DockError('timeout', 'late')), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
