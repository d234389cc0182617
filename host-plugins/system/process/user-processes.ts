import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { interruption } from './interruption.ts';

/** /proc has no inotify, and processes of another life of this program are not our children, ms. */
const lookEveryMs = 20;

interface OwnedProcess {
  readonly pid: number;
  /** Real, effective, saved and file system user. */
  readonly users: readonly number[];
}

/** The users of a live process in /proc/PID/status (proc_pid_status(5)); undefined for a dead one that nobody has waited for. */
export function parseProcessUsers(status: string): number[] | undefined {
  if (/^State:\s+[ZX]/m.test(status)) return undefined;
  return /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/).map(Number);
}

/** All live processes that this one sees, with their users. */
export async function listProcessUsers(): Promise<OwnedProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found: OwnedProcess[] = [];
  for (const pid of pids) {
    const users = parseProcessUsers(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''));
    if (users !== undefined) found.push({ pid, users });
  }
  return found;
}

/** Kills all processes of this user, and returns when there are none. */
export async function endProcessesOf(user: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const left = (await listProcessUsers()).filter(({ users }) => users.includes(user));
    if (left.length === 0) return;
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await delay(lookEveryMs, undefined, { signal }).catch(() => {
      throw interruption(signal, `the end of the processes of user ${user}`);
    });
  }
}
