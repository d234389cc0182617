import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MachineUser } from '../../../host-plugins/qemu/choose-machine-user.ts';
import { savedStateFile } from '../../../host-plugins/qemu/command-line.ts';
import { confined } from '../../../host-plugins/qemu/confine.ts';
import { displayControl } from '../../../host-plugins/qemu/display-control.ts';
import { loadState } from '../../../host-plugins/qemu/incoming-migration.ts';
import {
  closeFolder,
  machineUserOf,
  openFolder,
  releaseFolder,
} from '../../../host-plugins/qemu/machine-folder.ts';
import { adoptQemu, type QemuStart } from '../../../host-plugins/qemu/qemu-process.ts';
import type { QmpProcess } from '../../../host-plugins/qemu/qmp-process.ts';
import { queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { readMachineUsers } from '../../../host-plugins/qemu/read-machine-users.ts';
import { saveState } from '../../../host-plugins/qemu/save-state.ts';
import { letUserOnline, takeUserOffline } from '../../../host-plugins/system/network/offline-user.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import type { MachineContract } from '../../../protocol/workspace.ts';
import { linger, processesOf } from './lingering-process.ts';
import { emptyFilling, smallContract, soon, TestHost } from './machine-fixture.ts';

const answer = await readMachineUsers('tcg');
let taps = 0;

/** A device whose machine has a user of its own, and a tap that this user may open. */
class ConfiningHost implements AsyncDisposable {
  readonly host: TestHost;
  readonly user: MachineUser;
  readonly #tap: string;

  private constructor(host: TestHost, user: MachineUser, tap: string) {
    this.host = host;
    this.user = user;
    this.#tap = tap;
  }

  static async create(): Promise<ConfiningHost> {
    const host = await TestHost.create();
    const user = await openFolder(host.files, answer, soon());
    if (user === undefined) throw new Error('no user');
    const tap = `wdu${process.pid % 100_000}x${taps++}`;
    await run(['ip', 'tuntap', 'add', tap, 'mode', 'tap', 'vnet_hdr', 'user', `${user.id}`], {
      timeoutMs: 10_000,
      signal: soon(),
    });
    return new ConfiningHost(host, user, tap);
  }

  async start(
    changes: Partial<QemuStart> = {},
    contract: MachineContract = smallContract(),
  ): Promise<QmpProcess> {
    const own = { user: this.user, tap: this.#tap, ...changes };
    const qemu = await this.host.startQemu(contract, own, emptyFilling);
    await closeFolder(this.host.files.folder);
    return qemu;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    await run(['ip', 'link', 'delete', this.#tap], { timeoutMs: 10_000, signal: soon() });
  }
}

/** Runs a command as that user, as confined as its QEMU; rejects with what it said. */
function runAs(user: MachineUser, ...argv: string[]): Promise<{ stdout: string }> {
  return run([...confined(user), ...argv], { timeoutMs: 20_000, signal: soon() });
}

describe.runIf(answer.can)('a confined QEMU', { timeout: 60_000 }, () => {
  it('has a user of its own, no group of anybody else, no capability and no way to one, in each thread', async () => {
    await using host = await ConfiningHost.create();
    const { pid } = await host.start({ paused: false });
    const { id } = host.user;
    const threads = await readdir(`/proc/${pid}/task`);
    expect(threads.length).toBeGreaterThan(2);
    for (const thread of threads) {
      const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8');
      const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1];
      expect(field('Uid')?.split(/\s+/)).toEqual(Array(4).fill(`${id}`));
      expect(field('Gid')?.split(/\s+/)).toEqual(Array(4).fill(`${id}`));
      expect(['', `${id}`]).toContain(field('Groups'));
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
        expect(Number(`0x${field(set)}`)).toBe(0);
      }
      expect([field('NoNewPrivs'), field('Seccomp')]).toEqual(['1', '2']);
    }
  });

  it('reads no private key, not even where it may look into the folder', async () => {
    await using host = await ConfiningHost.create();
    const state = join(host.host.files.folder, '..', 'state');
    await mkdir(state, { mode: 0o750 });
    await writeFile(join(state, 'device.key'), 'secret', { mode: 0o600 });
    await expect(runAs(host.user, 'cat', join(state, 'device.key'))).rejects.toThrow('Permission denied');
    // All folders on the way let everybody in: it is the file itself that does not.
    await chmod(state, 0o755);
    await chmod(join(state, '..'), 0o755);
    await expect(runAs(host.user, 'cat', join(state, 'device.key'))).rejects.toThrow('Permission denied');
    await writeFile(join(state, 'for-all'), 'all');
    expect((await runAs(host.user, 'cat', join(state, 'for-all'))).stdout).toBe('all');
  });

  it('can put nothing into its folder once it runs, where wdockd would meet it', async () => {
    await using host = await ConfiningHost.create();
    await host.start();
    const { files } = host.host;
    await chmod(join(files.folder, '..'), 0o755);
    await expect(runAs(host.user, 'rm', files.qmpSocket)).rejects.toThrow('Permission denied');
    await expect(runAs(host.user, 'ln', '-s', '/etc/passwd', `${files.qemuPid}.new`)).rejects.toThrow(
      'Permission denied',
    );
    await expect(runAs(host.user, 'cat', files.qemuPid)).rejects.toThrow('Permission denied');
  });

  it('is a stranger to the one beside it: another user, who reaches neither its sockets nor its memory', async () => {
    await using one = await ConfiningHost.create();
    await using other = await ConfiningHost.create();
    const [first, second] = [await one.start(), await other.start()];
    const owner = async (pid: number) => (await stat(`/proc/${pid}`)).uid;
    expect([await owner(first.pid), await owner(second.pid)]).toEqual([one.user.id, other.user.id]);
    expect(one.user.id).not.toBe(other.user.id);
    await chmod(join(one.host.files.folder, '..'), 0o755);
    const { qmpSocket } = one.host.files;
    await expect(runAs(other.user, 'socat', '-', `UNIX-CONNECT:${qmpSocket}`)).rejects.toThrow(
      'Permission denied',
    );
    await expect(runAs(other.user, 'head', '-c1', `/proc/${first.pid}/mem`)).rejects.toThrow(
      'Permission denied',
    );
    await expect(runAs(other.user, 'kill', `${first.pid}`)).rejects.toThrow('not permitted');
  });

  it('reaches no network but its tap: not even a service of its own host', async () => {
    await using host = await ConfiningHost.create();
    await using stack = new AsyncDisposableStack();
    const server = createServer((socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const greet = () => runAs(host.user, 'socat', '-u', `TCP:127.0.0.1:${port}`, '-');
    expect((await greet()).stdout).toBe('hello');
    await takeUserOffline(host.user.id, soon());
    stack.defer(() => letUserOnline(host.user.id, soon()));
    await expect(greet()).rejects.toThrow('refused');
    await host.start();
  });

  it('shows its display on its own bus', async () => {
    await using host = await ConfiningHost.create();
    await host.start();
    const panel = { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 };
    await displayControl(host.host.files.displayBusSocket).setUiInfo(panel, soon());
  });

  it('is found and ended by the next wdockd, and nothing of its user is left', async () => {
    await using host = await ConfiningHost.create();
    const { folder } = host.host.files;
    const { id } = host.user;
    const first = await host.start();
    await first[Symbol.asyncDispose]();
    await using second = await adoptQemu(host.host.files, soon());
    expect(second?.pid).toBe(first.pid);
    expect(await machineUserOf(folder)).toBe(id);
    expect(await processesOf(id)).toEqual([first.pid]);
    await second?.quit(soon());
    const left = await linger(host.user);
    expect(await processesOf(id)).toEqual([left]);
    await releaseFolder(folder, soon());
    expect(await processesOf(id)).toEqual([]);
    expect(await machineUserOf(folder)).toBeUndefined();
  });

  it('meets nobody of its user when the one before it was killed and never cleared away', async () => {
    await using host = await ConfiningHost.create();
    const first = await host.start();
    await first.kill(soon());
    const left = await linger(host.user);
    const again = await openFolder(host.host.files, answer, soon());
    expect(again).toEqual(host.user);
    expect(await processesOf(host.user.id)).not.toContain(left);
    await host.start();
  });

  it('boots a kernel that only root can read, and of which nothing stays in its folder', async () => {
    await using host = await ConfiningHost.create();
    const image = join(host.host.files.folder, '..', 'vmlinuz');
    await writeFile(image, emptyKernel(), { mode: 0o600 });
    const kernel = { image, initrd: image, commandLine: 'root=/dev/vda' };
    const { qmp } = await host.start({}, smallContract({ kernel }));
    expect(await queryStatus(qmp, soon())).toMatchObject({ status: 'prelaunch' });
    const left = await readdir(host.host.files.folder);
    expect(left.filter((name) => name === 'kernel' || name === 'initrd')).toEqual([]);
  });

  it('loads a saved state that only root can read', async () => {
    const contract = smallContract();
    await using home = await TestHost.create();
    const saving = await home.startQemu(contract, { paused: false });
    const savedState = join(home.files.folder, 'state');
    await saveState(saving.qmp, savedState, soon());
    await chmod(savedState, 0o600);
    await saving.quit(soon());
    await using host = await ConfiningHost.create();
    const loading = await host.start({ incoming: 'defer', savedState }, contract);
    await loadState(loading, savedStateFile, soon());
    await loading.qmp.execute('cont', {}, soon());
    expect(await queryStatus(loading.qmp, soon())).toMatchObject({ running: true });
  });
});

/** The header of a bzImage, as much as QEMU looks at (Documentation/arch/x86/boot.rst), and nothing to run. */
function emptyKernel(): Buffer {
  const kernel = Buffer.alloc(8192);
  kernel.writeUInt8(1, 0x1f1); // setup_sects
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.write('HdrS', 0x202, 'ascii');
  kernel.writeUInt16LE(0x020c, 0x206); // boot protocol
  kernel.writeUInt8(1, 0x211); // loaded high
  kernel.writeUInt32LE(0x7fff_ffff, 0x22c); // initrd_addr_max
  return kernel;
}
