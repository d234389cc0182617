import type { ChildProcess } from 'node:child_process';
import { on, once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DockError } from '../../../protocol/dock-error.ts';
import { runCommand } from '../../lab/run-command.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';

const bootScript = join(import.meta.dirname, 'boot-machine.sh');
/** In the tree. */
const toldSocket = '/.booted';

/** A Debian system tree, booted; it ends with the process that booted it. Needs root. */
export class FreshMachine implements AsyncDisposable {
  readonly #boot: ChildProcess;
  readonly #group: string;
  readonly #init: string;

  private constructor(boot: ChildProcess, group: string, init: string) {
    this.#boot = boot;
    this.#group = group;
    this.#init = init;
  }

  /** On return everything that belongs to its start has started. */
  static async boot(tree: string, signal: AbortSignal): Promise<FreshMachine> {
    const group = join(await unifiedHierarchy(), `wireless-dock-machine-${process.pid}`);
    await mkdir(group);
    const listener = spawnMortal(['socat', '-u', `UNIX-RECV:${tree}${toldSocket},unlink-early`, '-'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const boot = spawnMortal(['sh', bootScript, tree, group, toldSocket], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    try {
      const ended = once(boot, 'exit', { signal }).then(() => {
        throw new DockError('io', `the machine of ${tree} ended while it was starting`);
      });
      await Promise.race([ended, isUp(listener, signal)]);
      ended.catch(() => undefined);
      const init = (await readFile(`/proc/${boot.pid}/task/${boot.pid}/children`, 'utf8')).trim();
      return new FreshMachine(boot, group, init);
    } catch (error) {
      await killed(boot);
      await removeGroup(group);
      throw error;
    } finally {
      await killed(listener);
    }
  }

  /** Runs a program in it, as root, and returns what it printed. Throws what `runCommand` throws. */
  async run(argv: readonly string[], signal: AbortSignal): Promise<string> {
    const enter = [
      'nsenter',
      '--target',
      this.#init,
      '--mount',
      '--pid',
      '--net',
      '--uts',
      '--ipc',
      '--cgroup',
    ];
    const environment = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root'];
    return await runCommand(
      [...enter, '--', ...environment, 'DEBIAN_FRONTEND=noninteractive', ...argv],
      {},
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killed(this.#boot);
    await removeGroup(this.#group);
  }
}

/** systemd says so to who booted it (systemd(1), NOTIFY_SOCKET), in datagrams that socat puts one after the other. */
async function isUp(listener: ChildProcess, signal: AbortSignal): Promise<void> {
  if (listener.stdout === null) return;
  let told = '';
  for await (const [text] of on(listener.stdout, 'data', { signal })) {
    told += String(text);
    if (told.includes('READY=1')) return;
  }
}

async function unifiedHierarchy(): Promise<string> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const folder = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  if (folder !== undefined) return folder;
  throw new DockError('missing-dependency', 'no control groups of version 2 are mounted here');
}

/** When the last process in it has ended: the kernel ends them soon after the first one. */
async function removeGroup(group: string): Promise<void> {
  const events = join(group, 'cgroup.events');
  const watcher = watch(events);
  try {
    const changes = on(watcher, 'change', { signal: AbortSignal.timeout(30_000) });
    while ((await readFile(events, 'utf8')).includes('populated 1')) await changes.next();
  } finally {
    watcher.close();
  }
  await removeEmptyGroup(group);
}

/** With those that the machine has made in it. */
async function removeEmptyGroup(group: string): Promise<void> {
  const entries = await readdir(group, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeEmptyGroup(join(group, entry.name));
  await rmdir(group);
}
