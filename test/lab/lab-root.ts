import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { constants, userInfo } from 'node:os';
import { DockError } from '../../protocol/dock-error.ts';

/** They end with their first process, and everything that was started inside ends with them. */
const ownNamespaces = [
  '--user',
  '--map-root-user',
  '--map-auto', // programs that give up being root, and tests of what another user may not do
  '--net',
  '--mount',
  '--pid',
  '--mount-proc',
  '--fork',
  '--kill-child',
  // `ip netns` keeps its names in /run, which is the real root's.
  ...['--', 'sh', '-c', 'mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$@"', 'sh'],
];

/** May make network namespaces and what belongs into them. */
export function isLabRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Where an ordinary user has started it, runs this very program once more as root of namespaces of its own, to its
 * end, and takes over its exit status.
 * @param prepare what has to be there before, above all the guest's image: its packages come from the Debian archive,
 * and in there is no way out
 * @returns false for root, who goes on in this process
 * @throws DockError `missing-dependency` where this machine does not let an ordinary user make namespaces
 */
export async function rerunAsLabRoot(prepare: () => Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  if (isLabRoot()) return false;
  checkNamespaces();
  await prepare();
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.exitCode = await runAsLabRoot(again, signal);
  return true;
}

/** Runs a command with this process's own input and output. An abort ends it with SIGTERM. Returns its exit status. */
export async function runAsLabRoot(argv: readonly string[], signal: AbortSignal): Promise<number> {
  // When the terminal is closed, unshare must not end: what is inside would be killed before it has cleaned up.
  const [program = '', ...rest] = isLabRoot()
    ? argv
    : ['env', '--ignore-signal=HUP', 'unshare', ...ownNamespaces, ...argv];
  const child = spawn(program, rest, { stdio: 'inherit' });
  const onAbort = () => void endCommand(child.pid as number);
  signal.addEventListener('abort', onAbort);
  try {
    const [code, killedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[killedBy as NodeJS.Signals];
  } catch (error) {
    throw new DockError('missing-dependency', `cannot start ${program}: ${(error as Error).message}`);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The command is the only child of unshare, which itself takes no SIGTERM while it waits for it. */
async function endCommand(pid: number): Promise<void> {
  const children = isLabRoot()
    ? ''
    : await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const [command = pid] = children.split(' ').filter(Boolean).map(Number);
  try {
    process.kill(command, 'SIGTERM');
  } catch {
    // it has ended by itself
  }
}

/**
 * Tries what `unshare` will be asked for, here and for the image, whose tree has files of several users.
 * @throws DockError `missing-dependency`, with what root can do about it
 */
function checkNamespaces(): void {
  const argv = ['--user', '--map-root-user', '--map-auto', '--net', 'true'];
  const { status, stderr, error } = spawnSync('unshare', argv, { encoding: 'utf8' });
  if (status === 0) return;
  const { username } = userInfo();
  throw new DockError(
    'missing-dependency',
    `this machine does not let ${username} make namespaces (${error?.message ?? stderr.trim()}); run it as root, ` +
      'or have root allow it: user namespaces by sysctl (user.max_user_namespaces, kernel.unprivileged_userns_clone, ' +
      'kernel.apparmor_restrict_unprivileged_userns), further ids by ' +
      `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
  );
}
