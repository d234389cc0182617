import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readKeyedFile, readKeyedFiles } from '../cache/cache-folder.ts';
import { cacheKey } from '../cache/cache-key.ts';
import { cachedBuild, type Progress } from '../cache/cached-build.ts';
import { runCommand } from '../run-command.ts';
import { bundleGuestPrograms } from './bundle-guest-programs.ts';
import { guestDiskMiB, guestUser } from './guest-recipe.ts';

/** What QEMU needs to boot the guest. The disk is never written to: a run uses an overlay on it. */
export interface GuestImage {
  /**
   * Names this very disk. An image that is built again of the same parts is another disk: its file system has other ids
   * and dates, and a machine saved with the one must never run with the other.
   */
  identity: string;
  disk: string;
  kernel: string;
  initrd: string;
}

const guestFolder = join(import.meta.dirname, 'guest');
const assembleScript = join(import.meta.dirname, 'assemble-image.sh');

/**
 * The bootable guest: base tree, lab configuration and, where given, the agent's package, installed as its user would.
 * @param baseTree from `provideBaseTree`
 * @param agentPackage path of the agent's .deb
 */
export async function provideDiskImage(
  cache: string,
  baseTree: string,
  agentPackage: string | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<GuestImage> {
  const programs = await bundleGuestPrograms();
  const agent = agentPackage === undefined ? new Uint8Array() : await readFile(agentPackage);
  const key = cacheKey({ format: '2', baseTree, diskMiB: String(guestDiskMiB), user: guestUser.name }, [
    ...(await readKeyedFiles(guestFolder)),
    await readKeyedFile(assembleScript, 'assemble-image.sh'),
    ...programs,
    { path: 'agent.deb', executable: false, content: agent },
  ]);
  const build = {
    title: "the guest's disk image (about 20 seconds)",
    kind: 'image',
    key,
    neededMiB: 3000,
    build: async (folder: string, buildSignal: AbortSignal) => {
      const programFolder = join(folder, 'programs');
      await mkdir(programFolder);
      for (const { path, content } of programs) await writeFile(join(programFolder, path), content);
      const argv = [
        ...ownNamespaces(process.geteuid?.() === 0),
        assembleScript,
        baseTree,
        guestFolder,
        programFolder,
        agentPackage ?? 'none',
        String(guestDiskMiB),
        folder,
      ];
      const onLine = (line: string) => {
        if (line.startsWith('step: ')) progress(line.slice('step: '.length));
      };
      await runCommand(argv, { onLine }, buildSignal);
      await rm(programFolder, { recursive: true });
      await writeFile(join(folder, 'identity'), `${key}-${randomUUID()}`);
    },
  };
  const folder = await cachedBuild(build, cache, progress, signal);
  return {
    identity: await readFile(join(folder, 'identity'), 'utf8'),
    disk: join(folder, 'disk.qcow2'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd'),
  };
}

/**
 * What runs a script as root where it can mount and chroot, and whose mounts and processes end with it. Another user
 * becomes root of a user namespace, with the further ids of /etc/subuid that a Debian tree needs.
 */
function ownNamespaces(isRoot: boolean): string[] {
  const userNamespace = isRoot ? [] : ['--user', '--map-root-user', '--map-auto'];
  return ['unshare', ...userNamespace, '--mount', '--pid', '--fork', '--kill-child'];
}
