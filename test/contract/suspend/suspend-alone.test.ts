import { appendFile, copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { lonelyDevice, mayMakeNamespaces } from '../daemon/lonely-device.ts';

vi.setConfig({ testTimeout: 480_000 }); // every start waits for an agent that never comes

const Status = z.object({
  workspaces: z.array(z.object({ state: z.string(), detail: z.string().optional(), epoch: z.int() })),
});

/** One life of a VM without a guest, on one device, and a drive that has all kinds of bad days. */
describe.runIf(mayMakeNamespaces)('a workspace that is suspended to a drive', () => {
  it('runs on for as long as it is not whole there, is resumed once, and never from what is damaged', async () => {
    const device = await lonelyDevice();
    const { at, start, wdock, disk, run } = device;
    const stick = at('stick');
    const folder = join(stick, 'wireless-dock', 'work');
    await mkdir(stick);
    const wdockd = await start();
    await wdock('workspace', 'create', 'work', '--disk', await disk('work'), '--base-memory', '128');
    expect(await wdock('workspace', 'start', 'work')).toMatchObject({ exit: 0 });
    const status = async () => {
      const { out } = await wdock('--json', 'status');
      return Status.parse(JSON.parse(out)).workspaces[0];
    };
    const suspend = (...more: string[]) => wdock('suspend', '--to', stick, ...more);

    // No drive, and one that is full.
    expect(await wdock('suspend', '--to', at('no-stick'))).toMatchObject({ exit: 3 });
    const mounting = (...argv: string[]) =>
      run('nsenter', `--target=${wdockd.child.pid}`, '--mount', ...argv);
    await mounting('mount', '-t', 'tmpfs', '-o', 'size=3m', 'full', stick);
    const full = await suspend();
    expect(full).toMatchObject({ exit: 4 });
    expect(full.err).toMatch(/MiB free, and an image of 128 MiB/);
    await mounting('umount', stick);
    expect(await status()).toMatchObject({ state: 'here' });

    // Suspended.
    const done = await suspend();
    expect(done).toMatchObject({ exit: 0, err: '' });
    expect(done.out).toMatch(/suspended work: .* -> .*stick/);
    const suspended = await status();
    expect(suspended?.state).toBe('suspended');
    expect(suspended?.detail).toContain(`in ${stick} (`);
    expect((await wdock('workspace', 'start', 'work')).err).toContain(`wdock resume ${stick}`);

    // It stays so over a restart, and a damaged image runs nothing.
    wdockd.kill('SIGKILL');
    await wdockd.ended;
    await start();
    expect(await status()).toMatchObject({ state: 'suspended', detail: suspended?.detail });
    for (const name of (await readdir(folder)).filter((each) => !each.endsWith('.new'))) {
      const path = join(folder, name);
      await copyFile(path, at('whole'));
      const bytes = await readFile(path);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      await writeFile(path, bytes);
      const refused = await wdock('resume', stick);
      expect({ name, exit: refused.exit, err: refused.err }).toMatchObject({
        name,
        exit: 4,
        err: expect.stringContaining('damaged'),
      });
      expect(await status()).toMatchObject({ state: 'suspended' });
      await rename(at('whole'), path);
    }

    // Resumed, and a copy of the drive is of no use any more.
    await run('cp', '-a', stick, at('copy'));
    const resumed = await wdock('resume', stick);
    expect(resumed).toMatchObject({ exit: 0 });
    expect(await status()).toMatchObject({ state: 'here' });
    const again = await wdock('resume', at('copy'));
    expect(again).toMatchObject({ exit: 4 });
    expect(again.err).toMatch(/was resumed already/);

    // To the same drive again it writes what is new.
    const second = JSON.parse(
      (await wdock('--json', 'suspend', '--to', stick, '--now')).out.trim().split('\n').at(-1) ?? '',
    );
    expect(second.outcome.pages.reused).toBeGreaterThan(100);
    expect(second.outcome.writtenBytes).toBeLessThan(second.outcome.imageBytes / 2);

    // The disk goes on without it: that is noticed, and a person can give the image up.
    await appendFile(await disk('work'), Buffer.alloc(512));
    const stale = await wdock('resume', stick);
    expect(stale).toMatchObject({ exit: 4 });
    expect(stale.err).toMatch(/was changed after it was suspended/);
    const forced = await wdock('workspace', 'force-owner', 'work', '--i-know-the-other-copy-is-gone');
    expect(forced).toMatchObject({ exit: 0 });
    await vi.waitFor(async () => expect(await status()).toMatchObject({ state: 'here' }), {
      timeout: 60_000,
    });
    expect(await wdock('workspace', 'stop', 'work', '--force')).toMatchObject({ exit: 0 });
  });
});
