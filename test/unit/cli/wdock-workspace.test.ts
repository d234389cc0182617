import { describe, expect, it } from 'vitest';
import type { ControlHandlers } from '../../../host-plugins/daemon/handlers.ts';
import { controlSocket, jsonLines, startWdock } from './wdock-fixture.ts';

const work = { name: 'work', homeDevice: 'mid', state: 'stopped', epoch: 1 } as const;

describe('wdock workspace create', () => {
  it('passes what is said of the disk with whole paths, and shows what was found out of it', async () => {
    const asked: unknown[] = [];
    const disk = { path: '/d', format: 'raw' as const, bytes: 3 * 2 ** 30, backingFiles: ['/base'] };
    const cpuModel = { model: 'Haswell-v4', detail: 'CPU model Haswell-v4, as asked for' };
    const create: NonNullable<ControlHandlers['workspace.create']> = async (params) => {
      asked.push(params);
      return { status: work, disk, cpuModel };
    };
    await using daemon = await controlSocket({ 'workspace.create': create });
    const args = ['workspace', 'create', 'work', '--disk', '/a/../d', '--backing-file', '/x/../base'];
    const { out } = await daemon.run(...args);
    expect(asked).toEqual([{ name: 'work', disk: '/d', backingFiles: ['/base'] }]);
    expect(out).toContain('disk: /d, raw, 3.0 GiB\n');
    expect(out).toContain('the guest gets the file as it is');
    expect(out).toContain('backing file: /base');
    const said = await daemon.run(...args, '--disk-format', 'raw');
    expect(said.out).not.toContain('the guest gets the file as it is');
    expect(jsonLines((await daemon.run('--json', ...args)).out)).toEqual([
      { workspace: work, disk, cpuModel },
    ]);
  });

  it('takes no other format of a disk than a VM can have', async () => {
    const { exit, err } = await startWdock([
      'workspace',
      'create',
      'w',
      '--disk',
      'd',
      '--disk-format',
      'vmdk',
    ]).ended;
    expect(exit).toBe(2);
    expect(err).toContain('Allowed choices are raw, qcow2');
  });
});

describe('wdock workspace remove', () => {
  const removed = (result: Awaited<ReturnType<NonNullable<ControlHandlers['workspace.remove']>>>) =>
    controlSocket({ 'workspace.remove': async () => result });

  it('says where the disk is, and which other device has a record', async () => {
    const result = {
      name: 'work',
      broken: false,
      left: [
        { what: 'disk', path: '/home/me/work.qcow2' },
        { what: 'other-files', path: '/var/lib/wireless-dock/workspaces/work' },
      ],
      otherDevice: { name: 'pc', isHome: false },
    } satisfies Parameters<typeof removed>[0];
    await using daemon = await removed(result);
    const { exit, out } = await daemon.run('workspace', 'remove', 'work', '--yes');
    expect(exit).toBe(0);
    expect(out).toContain('Its disk is left: /home/me/work.qcow2\n');
    expect(out).toContain('left in /var/lib/wireless-dock/workspaces/work\n');
    expect(out).toMatch(/^pc has a record of it, too.*\n +wdock workspace remove work$/m);
    const json = await daemon.run('--json', 'workspace', 'remove', 'work', '--yes');
    expect(jsonLines(json.out)).toEqual([{ removed: result }]);
  });

  it('says that nobody knows where the disk of an unreadable one is', async () => {
    await using daemon = await removed({ name: 'work', broken: true, left: [] });
    const { out } = await daemon.run('workspace', 'remove', 'work', '--yes');
    expect(out).toContain('Where its disk is could not be read; no disk was touched.');
  });

  it('says that the home of a visitor has the disk, and nothing of it where the home is forgotten', async () => {
    const visitor = { name: 'work', broken: false, left: [] };
    await using known = await removed({ ...visitor, otherDevice: { name: 'pad', isHome: true } });
    expect((await known.run('workspace', 'remove', 'work', '--yes')).out).toContain(
      'pad, its home, has its disk and its record.',
    );
    await using unknown = await removed(visitor);
    expect((await unknown.run('workspace', 'remove', 'work', '--yes')).out).toBe(
      'work is removed from this device.\n',
    );
  });
});
