import { chmod, chown, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../system/process/run.ts';
import { endProcessesOf, listProcessUsers } from '../system/process/user-processes.ts';
import {
  chooseMachineUser,
  isMachineUser,
  type MachineUser,
  type MachineUserAnswer,
} from './choose-machine-user.ts';
import { giveToGroup } from './give-to-group.ts';
import type { RuntimeFiles } from './runtime-files.ts';

/**
 * The runtime folder of a machine belongs to root, and its group is that of the machine's user: who asks later, also
 * another wdockd, reads from it who that is. That group may enter it, to reach the sockets in it; nobody else may. It may
 * write there from QEMU's start until all sockets are made (`closeFolder`), which is before QEMU has looked at anything that
 * a guest or another device has sent. So wdockd never meets what a guest that took QEMU over has put there.
 */
const modes = { open: 0o730, closed: 0o710, nobodys: 0o700 } as const;
/** Users may be listed in a directory on the network, ms. */
const lookUpLimitMs = 5_000;

/** The user of the machine that has this folder; undefined where it has none. */
export async function machineUserOf(folder: string): Promise<number | undefined> {
  const group = await stat(folder).then(
    ({ gid }) => gid,
    () => undefined,
  );
  return group !== undefined && isMachineUser(group) ? group : undefined;
}

/**
 * Gives the machine that is about to start in this folder a user that nobody else on this device has, and lets it make its
 * sockets. Of what ran as this user before, nothing is left. Undefined where machines have no users of their own; the
 * folder is then root's alone. No QEMU may run for this folder.
 */
export async function openFolder(
  files: RuntimeFiles,
  answer: MachineUserAnswer,
  signal: AbortSignal,
): Promise<MachineUser | undefined> {
  const { folder, serialLog } = files;
  if (!answer.can) {
    await releaseFolder(folder, signal);
    return undefined;
  }
  const kept = await machineUserOf(folder);
  if (kept !== undefined) await endProcessesOf(kept, signal);
  const id = kept ?? (await takeUser(folder, signal));
  // It is kept from one life of the machine to the next, whose user is another one.
  await (await open(serialLog, 'a', 0o660)).close();
  await giveToGroup(serialLog, id, signal);
  await chmod(serialLog, 0o660);
  await chmod(folder, modes.open);
  return { id, ...(answer.kvmGroup === undefined ? {} : { kvmGroup: answer.kvmGroup }) };
}

/** From here on the machine's user can make, rename and remove nothing. Nothing to do where it has no user of its own. */
export async function closeFolder(folder: string): Promise<void> {
  if ((await machineUserOf(folder)) !== undefined) await chmod(folder, modes.closed);
}

/** After QEMU has ended: ends whatever else runs as its user, and gives the user back. Idempotent. */
export async function releaseFolder(folder: string, signal: AbortSignal): Promise<void> {
  const user = await machineUserOf(folder);
  if (user === undefined) return;
  await endProcessesOf(user, signal);
  await chown(folder, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  await chmod(folder, modes.nobodys);
}

/** The folder is given away first and looked around second: of two that choose the same, one sees the other. */
async function takeUser(folder: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    const id = chooseMachineUser(Math.random());
    await giveToGroup(folder, id, signal);
    if (!(await isTaken(id, folder, signal))) return id;
  }
}

async function isTaken(id: number, folder: string, signal: AbortSignal): Promise<boolean> {
  const around = dirname(folder);
  for (const name of await readdir(around)) {
    const other = join(around, name);
    if (other !== folder && (await machineUserOf(other)) === id) return true;
  }
  if ((await listProcessUsers()).some(({ users }) => users.includes(id))) return true;
  return await isNamed(id, signal);
}

/** Whether a list of users has it, wherever this device keeps these. */
async function isNamed(id: number, signal: AbortSignal): Promise<boolean> {
  try {
    await run(['getent', 'passwd', String(id)], { timeoutMs: lookUpLimitMs, signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false; // or nobody can tell: a directory that does not answer keeps no machine from starting
  }
}
