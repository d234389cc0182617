import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheKey } from '../../lab/cache/cache-key.ts';
import { cachedBuild, type Progress } from '../../lab/cache/cached-build.ts';
import { readOwnArchive, readProxyOptions } from '../../lab/image/debian-archive.ts';
import { runCommand } from '../../lab/run-command.ts';

/** Where QEMU 10 is: Debian 12 has it in its backports alone. */
export const releases = {
  bookworm: { name: 'Debian 12', qemuFrom: 'bookworm-backports' },
  trixie: { name: 'Debian 13', qemuFrom: undefined },
} as const;
export type Release = keyof typeof releases;

/** A newly installed Debian: what its installer's base system has, and systemd as its first process. */
async function provideArchive(
  release: Release,
  cache: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const recipe = [
    'mmdebstrap',
    '--variant=important',
    '--components=main',
    '--include=systemd-sysv,dbus,man-db,zsh',
  ];
  const build = {
    title: `a fresh ${releases[release].name} (about a minute and 100 MB from the archive)`,
    kind: 'machine',
    key: cacheKey({ recipe: recipe.join(' '), release }, []),
    neededMiB: 1000,
    build: async (folder: string, buildSignal: AbortSignal) => {
      const [archive, proxy] = await Promise.all([
        readOwnArchive(buildSignal),
        readProxyOptions(buildSignal),
      ]);
      const argv = [...recipe, ...proxy, release, join(folder, 'tree.tar'), archive];
      await runCommand(argv, { environment: { TMPDIR: folder } }, buildSignal);
    },
  };
  return join(await cachedBuild(build, cache, progress, signal), 'tree.tar');
}

/** The tree of a fresh system, which can be thrown away. */
export class FreshTree implements AsyncDisposable {
  readonly root: string;
  readonly release: Release;

  private constructor(root: string, release: Release) {
    this.root = root;
    this.release = release;
  }

  static async unpack(
    release: Release,
    cache: string,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<FreshTree> {
    const archive = await provideArchive(release, cache, progress, signal);
    const tree = new FreshTree(await mkdtemp(join(tmpdir(), 'wdp-')), release);
    // Its first process makes the devices.
    const extract = [
      'tar',
      '--extract',
      `--file=${archive}`,
      `--directory=${tree.root}`,
      '--exclude=./dev/*',
    ];
    await runCommand([...extract, '--numeric-owner', '--xattrs', '--xattrs-include=*'], {}, signal);
    const { qemuFrom } = releases[release];
    if (qemuFrom !== undefined) {
      const source = `deb ${await readOwnArchive(signal)} ${qemuFrom} main\n`;
      await writeFile(join(tree.root, 'etc/apt/sources.list.d/backports.list'), source);
    }
    return tree;
  }

  /** Runs a program in the tree before it is booted, with the network of this computer. */
  async run(argv: readonly string[], signal: AbortSignal): Promise<string> {
    const script = `
      mount --make-rprivate /
      mount --rbind /dev "$0/dev"
      mount --bind /etc/resolv.conf "$0/etc/resolv.conf"
      root=$0
      exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"`;
    // To be bound to; the installer of a real system makes one.
    await mkdir(join(this.root, 'etc'), { recursive: true });
    await writeFile(join(this.root, 'etc/resolv.conf'), '', { flag: 'a' });
    return await runCommand(['unshare', '--mount', 'sh', '-euc', script, this.root, ...argv], {}, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
