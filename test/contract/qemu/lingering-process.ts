import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { MachineUser } from '../../../host-plugins/qemu/choose-machine-user.ts';
import { confined } from '../../../host-plugins/qemu/confine.ts';
import { listProcessUsers } from '../../../host-plugins/system/process/user-processes.ts';

/** A process of that user that runs on by itself. */
export async function linger(user: MachineUser): Promise<number> {
  const [program = '', ...rest] = [...confined(user), 'sh', '-c', 'echo; exec sleep 1000'];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  child.unref();
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

/** The live processes of that user. */
export const processesOf = async (user: number) =>
  (await listProcessUsers()).filter(({ users }) => users.includes(user)).map(({ pid }) => pid);
