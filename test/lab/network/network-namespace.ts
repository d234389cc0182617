import { type ChildProcessByStdio, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { runCommand } from '../run-command.ts';
import { killNamespaceProcesses } from './sweep.ts';

/**
 * Of what is inside when the keeper's standard input has closed; QEMU and its helpers have detached themselves. What was just
 * being started is killed with its owner a moment later, and may have forked in between: nobody may be found twice in a row.
 */
const endAllInside = `own=$(readlink /proc/$$/ns/net)
for empty in 1 2; do
  found=1
  while [ $found = 1 ]; do
    found=0
    for process in /proc/[0-9]*; do
      pid=\${process#/proc/}
      if [ "$pid" != $$ ] && [ "$(readlink "$process/ns/net")" = "$own" ]; then kill -9 "$pid" && found=1; fi
    done
  done
  if [ $empty = 1 ]; then sleep 0.2; fi
done 2>/dev/null`;

/**
 * A network namespace, with a mount namespace whose /sys belongs to it. It exists for as long as a process is in it:
 * a keeper, which ends when our end of its standard input closes, so also when this process is killed; then it ends all
 * else that runs inside.
 */
export class NetworkNamespace implements AsyncDisposable {
  readonly name: string;
  /** The kernel's number of the network namespace. */
  readonly inode: number;
  readonly #label: string;
  readonly #keeper: ChildProcessByStdio<Writable, Readable, Readable>;

  private constructor(
    name: string,
    label: string,
    keeper: ChildProcessByStdio<Writable, Readable, Readable>,
    inode: number,
  ) {
    this.name = name;
    this.#label = label;
    this.#keeper = keeper;
    this.inode = inode;
  }

  /**
   * @param label written into the namespace itself, so that a sweep knows it for one of the lab's
   * @throws DockError `missing-dependency` where this user or kernel cannot make network namespaces
   */
  static async create(name: string, label: string, signal: AbortSignal): Promise<NetworkNamespace> {
    if (signal.aborted) throw interruption(signal, `the namespace "${name}"`);
    const script = `mount -t sysfs sysfs /sys && ip link set lo alias ${label} && ip link set lo up && echo ready && cat\n${endAllInside}`;
    const keeper = spawn('unshare', ['--net', '--mount', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A session of its own: a Ctrl-C is for us, who then end what is inside, in order.
      detached: true,
    });
    let complaint = '';
    keeper.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    const ready = once(keeper.stdout, 'data').then(() => true);
    const ended = once(keeper, 'close').then(() => false);
    ready.catch(() => undefined);
    ended.catch(() => undefined);
    if (!(await Promise.race([ready, ended]))) {
      throw new DockError(
        'missing-dependency',
        `cannot make the network namespace "${name}": ${complaint.trim()}; run as root, or through test/lab/as-lab-root.ts`,
      );
    }
    const inode = Number(/\d+/.exec(await readlink(`/proc/${keeper.pid}/ns/net`))?.[0]);
    return new NetworkNamespace(name, label, keeper, inode);
  }

  /** The command line that runs `argv` inside. The program replaces `nsenter`, so its process is the one started. */
  enter(argv: readonly string[]): string[] {
    return [
      'nsenter',
      `--target=${this.keeperPid}`,
      '--net',
      '--mount',
      `--wd=${process.cwd()}`,
      '--',
      ...argv,
    ];
  }

  /** A process that is inside for as long as the namespace lives; `ip link … netns <pid>` names it by that. */
  get keeperPid(): number {
    return this.#keeper.pid as number;
  }

  /** Runs a program to its end; see `runCommand`. */
  run(argv: readonly string[], signal: AbortSignal, input = ''): Promise<string> {
    return runCommand(this.enter(argv), { input }, signal);
  }

  /** Starts a program that is killed when this process ends. Its own children are found by the disposal, or a sweep. */
  spawn<Options extends SpawnOptions>(argv: readonly string[], options: Options) {
    const [program = '', ...rest] = ['setpriv', '--pdeathsig=KILL', ...this.enter(argv)];
    return spawn(program, rest, options);
  }

  /** Ends everything that runs inside; with it go the namespace, its devices and its rules. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = this.#keeper.exitCode !== null || this.#keeper.signalCode !== null;
    const ended = isOver ? undefined : once(this.#keeper, 'close');
    // It would end what is inside in its own, slower way. What else is inside keeps the namespace alive.
    this.#keeper.kill('SIGKILL');
    this.#keeper.stdout.resume();
    await killNamespaceProcesses([this.inode], this.#label);
    await ended;
  }
}
