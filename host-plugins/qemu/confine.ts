import { chmod, copyFile, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { MachineUser } from './choose-machine-user.ts';
import { giveToGroup } from './give-to-group.ts';

/**
 * Runs what follows as the machine's user, without any capability and any way to get one: setpriv(1) sets it up and becomes
 * that program. QEMU adds its seccomp filter (command-line.ts).
 */
export function confined({ id, kvmGroup }: MachineUser): string[] {
  return [
    'setpriv',
    `--reuid=${id}`,
    `--regid=${id}`,
    kvmGroup === undefined ? '--clear-groups' : `--groups=${kvmGroup}`,
    '--no-new-privs',
    '--inh-caps=-all',
    '--ambient-caps=-all',
    '--bounding-set=-all',
    '--',
  ];
}

interface KernelFiles {
  readonly image: string;
  readonly initrd: string;
}

/**
 * Kernel and initrd where the machine's user can read them: as they are, or as copies in its folder (by their names in
 * it), until `removeKernelCopies`. QEMU reads them once, when it starts.
 */
export async function readableKernel(
  kernel: KernelFiles,
  folder: string,
  { id }: MachineUser,
  signal: AbortSignal,
): Promise<KernelFiles> {
  const readable = async (path: string, copy: string): Promise<string> => {
    if (await everybodyReads(path)) return path;
    const target = join(folder, copy);
    await rm(target, { force: true });
    await copyFile(path, target);
    await giveToGroup(target, id, signal);
    await chmod(target, 0o640);
    return copy;
  };
  return {
    image: await readable(kernel.image, copies.image),
    initrd: await readable(kernel.initrd, copies.initrd),
  };
}

const copies = { image: 'kernel', initrd: 'initrd' } as const;

export async function removeKernelCopies(folder: string): Promise<void> {
  for (const copy of Object.values(copies)) await rm(join(folder, copy), { force: true });
}

async function everybodyReads(path: string): Promise<boolean> {
  try {
    const real = await realpath(path);
    if (((await stat(real)).mode & 0o004) === 0) return false;
    for (let folder = dirname(real); ; folder = dirname(folder)) {
      if (((await stat(folder)).mode & 0o001) === 0) return false;
      if (folder === dirname(folder)) return true;
    }
  } catch {
    return false; // copying it says what is wrong
  }
}
