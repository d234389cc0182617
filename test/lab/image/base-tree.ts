import { join } from 'node:path';
import { cacheKey } from '../cache/cache-key.ts';
import { type CachedBuild, cachedBuild, type Progress } from '../cache/cached-build.ts';
import { runCommand } from '../run-command.ts';
import { readOwnArchive, readProxyOptions } from './debian-archive.ts';
import { guestPackages, guestPathExcludes, guestSuite } from './guest-recipe.ts';

/**
 * Before any package is configured: an initrd with every module of the distribution would be made here, and made
 * again, small, when the image is assembled.
 */
const smallInitrd =
  'mkdir -p "$1/etc/initramfs-tools/conf.d" && echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab.conf"';

export function baseTreeArguments(
  tarFile: string,
  archive: string,
  proxyOptions: readonly string[],
): string[] {
  return [
    'mmdebstrap',
    '--variant=minbase',
    '--components=main',
    `--include=${guestPackages.join(',')}`,
    ...guestPathExcludes.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...proxyOptions,
    `--essential-hook=${smallInitrd}`,
    guestSuite,
    tarFile,
    archive,
  ];
}

/** The guest's packages, installed, as one archive. Needs the network the first time. Returns the archive's path. */
export async function provideBaseTree(
  cache: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const build: CachedBuild = {
    title: `the guest's packages (Debian ${guestSuite}; about two minutes and 300 MB from the archive)`,
    kind: 'base',
    // Not the archive's address: the same packages come from every mirror.
    key: cacheKey({ recipe: baseTreeArguments('', '', []).join('\n') }, []),
    neededMiB: 2500,
    build: async (folder, buildSignal) => {
      const [archive, proxyOptions] = await Promise.all([
        readOwnArchive(buildSignal),
        readProxyOptions(buildSignal),
      ]);
      const onLine = (line: string) => {
        const step = /^I: ((downloading|extracting|installing|creating).*)\.\.\.$/.exec(line)?.[1];
        if (step !== undefined) progress(step);
      };
      // Where it is removed with the unfinished build if we are killed. Other users' ids may not look in there.
      const environment: Record<string, string> = process.geteuid?.() === 0 ? { TMPDIR: folder } : {};
      const argv = baseTreeArguments(join(folder, 'base.tar'), archive, proxyOptions);
      await runCommand(argv, { onLine, environment }, buildSignal);
    },
  };
  return join(await cachedBuild(build, cache, progress, signal), 'base.tar');
}
