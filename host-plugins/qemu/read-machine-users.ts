import { access, constants, readFile, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Check } from '../../protocol/control-methods.ts';
import { readAccelerator } from './accelerator.ts';
import type { Accelerator } from './choose-accelerator.ts';
import { judgeMachineUsers, type MachineUserAnswer, machineUsers } from './choose-machine-user.ts';

/** Whether QEMUs of this process can run as users of their own. Files that are not there say nothing. */
export async function readMachineUsers(accelerator: Accelerator): Promise<MachineUserAnswer> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(await read('/proc/self/status'))?.[1] ?? '0';
  const device = accelerator === 'kvm' ? await stat('/dev/kvm').catch(() => undefined) : undefined;
  return judgeMachineUsers({
    capabilities: BigInt(`0x${effective}`),
    userMap: await read('/proc/self/uid_map'),
    groupMap: await read('/proc/self/gid_map'),
    setpriv: await isInstalled('setpriv'),
    kvm: device === undefined ? undefined : { mode: device.mode, group: device.gid },
  });
}

/** For `wdock doctor`. */
export async function checkMachineUsers(): Promise<Check> {
  const name = 'machine-users';
  const answer = await readMachineUsers((await readAccelerator()).accelerator);
  if (answer.can) {
    const { first, last } = machineUsers;
    return {
      name,
      state: 'ok',
      detail: `each virtual machine runs as a user of its own, from ${first} to ${last}`,
    };
  }
  return {
    name,
    state: 'warning',
    detail: `virtual machines run as the user of wdockd: ${answer.why}`,
    remedy: 'run wdockd as root, as the package does, and in no user namespace of its own',
  };
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
