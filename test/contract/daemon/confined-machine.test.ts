import { readFile, stat } from 'node:fs/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isMachineUser } from '../../../host-plugins/qemu/choose-machine-user.ts';
import { readMachineUsers } from '../../../host-plugins/qemu/read-machine-users.ts';
import { endProcessesOf } from '../../../host-plugins/system/process/user-processes.ts';
import { linger, processesOf } from '../qemu/lingering-process.ts';
import { lonelyDevice, mayMakeNamespaces } from './lonely-device.ts';

vi.setConfig({ testTimeout: 480_000 }); // three starts of wdockd, on a machine that may be busy

const { can } = await readMachineUsers('tcg');

describe.runIf(mayMakeNamespaces && can)('a machine of wdockd', () => {
  it('has a user of its own, is found by the wdockd after a killed one, and leaves nothing of its user', async () => {
    const { at, start, wdock, disk, run } = await lonelyDevice();
    const machine = async (name: string) => {
      const { pid } = JSON.parse(await readFile(at('run', name, 'qemu.pid.json'), 'utf8')) as { pid: number };
      return { pid, user: (await stat(`/proc/${pid}`)).uid };
    };
    const folder = async (name: string) => {
      const { uid, gid, mode } = await stat(at('run', name));
      return { uid, gid, mode: (mode & 0o777).toString(8) };
    };
    const first = await start();
    const both = ['work', 'play'];
    for (const name of both)
      await wdock('workspace', 'create', name, '--disk', await disk(name), '--base-memory', '128');
    // Side by side: each waits for an agent that never comes.
    for (const started of await Promise.all(both.map((name) => wdock('workspace', 'start', name))))
      expect(started).toMatchObject({ exit: 0 });
    const [work, play] = [await machine('work'), await machine('play')];
    expect([work.user, play.user].map(isMachineUser)).toEqual([true, true]);
    expect(work.user).not.toBe(play.user);
    expect(await folder('work')).toEqual({ uid: 0, gid: work.user, mode: '710' });
    expect(await run('nft', 'list', 'tables')).toContain(`wdock_user_${work.user}`);
    expect((await wdock('--json', 'doctor')).out).toMatch(/"name":"machine-users","state":"ok"/);

    first.kill('SIGKILL');
    await first.ended;
    await start();
    expect(await machine('work')).toEqual(work);
    expect((await wdock('--json', 'workspace', 'show', 'work')).out).toContain('"state":"here"');
    const left = await linger({ id: work.user });
    onTestFinished(() => endProcessesOf(work.user, AbortSignal.timeout(10_000)));
    expect(await processesOf(work.user)).toHaveLength(2);
    expect(await processesOf(work.user)).toEqual(expect.arrayContaining([work.pid, left]));
    expect(await wdock('workspace', 'stop', 'work', '--force')).toMatchObject({ exit: 0 });
    expect(await processesOf(work.user)).toEqual([]);
    expect(isMachineUser((await folder('work')).gid)).toBe(false);
    expect(await run('nft', 'list', 'tables')).not.toContain(`wdock_user_${work.user}`);
    // The one beside it runs on.
    expect(await processesOf(play.user)).toEqual([play.pid]);
    expect(await wdock('workspace', 'start', 'work')).toMatchObject({ exit: 0 });
    for (const name of both) {
      expect(await wdock('workspace', 'stop', name, '--force')).toMatchObject({ exit: 0 });
    }
  });
});
