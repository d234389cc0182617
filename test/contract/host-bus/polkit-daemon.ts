import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';

const packaging = join(import.meta.dirname, '../../../packaging/host');
const program = '/usr/lib/polkit-1/polkitd';

/** Puts our files where polkitd looks for them, for itself only. $1: their folder */
const inPlace = `
mount --bind "$1/actions" /usr/share/polkit-1/actions
mount --bind "$1/rules.d" /etc/polkit-1/rules.d
mount --bind "$1/group" /etc/group
exec ${program} --no-debug`;

/**
 * The real polkitd on a bus of the test's own, with the actions and rules of the package, and with this user as the one
 * member of the group wireless-dock.
 */
export class PolkitDaemon implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
  }

  static async start(busAddress: string, member: string): Promise<PolkitDaemon> {
    const folder = await mkdtemp(join(tmpdir(), 'wdock-polkit-'));
    for (const name of ['actions', 'rules.d']) await mkdir(join(folder, name));
    await copyFile(
      join(packaging, 'org.wirelessdock.policy'),
      join(folder, 'actions/org.wirelessdock.policy'),
    );
    await copyFile(join(packaging, 'wireless-dock.rules'), join(folder, 'rules.d/50-wireless-dock.rules'));
    const groups = (await readFile('/etc/group', 'utf8')).replace(/^wireless-dock:.*\n/m, '');
    await writeFile(join(folder, 'group'), `${groups}wireless-dock:x:64999:${member}\n`);
    const child = spawnMortal(['unshare', '--mount', 'sh', '-euc', inPlace, 'sh', folder], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: busAddress },
    });
    const daemon = new PolkitDaemon(child, folder);
    try {
      await daemon.#served(busAddress);
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.#process);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #served(busAddress: string): Promise<void> {
    await using bus = new DbusConnection(busAddress);
    const name = 'org.freedesktop.PolicyKit1';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    bus.listenToOwner(name, (owner) => {
      if (owner !== undefined) resolve();
    });
    void once(this.#process, 'exit').then(([code]) => reject(new Error(`polkitd ended with ${code}`)));
    if ((await bus.ownerOf(name, AbortSignal.timeout(10_000))) === undefined) await promise;
  }
}
