import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAccelerator } from '../../../host-plugins/qemu/accelerator.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { cacheKey } from '../cache/cache-key.ts';
import { type CachedBuild, cachedBuild, type Progress } from '../cache/cached-build.ts';
import { readOwnArchive, readProxyOptions } from '../image/debian-archive.ts';
import { runCommand } from '../run-command.ts';

/** Which QEMU the simulated hosts have: this machine's, or one under which a move is heard only at its switch-over. */
export type EmulatorChoice = 'own' | 'newest';

/** The QEMU of the simulated hosts. */
export interface LabEmulator {
  /** As QEMU says it. A machine saved by one version is started again by the same. */
  readonly version: string;
  /** Where its files are, if it is not this machine's own; see `emulatorMounts`. */
  readonly tree: string | undefined;
}

/**
 * From here on a move without KVM does not begin with seconds in which the guest stands still
 * (docs/decisions/0004-memory-blocks-under-emulation.md).
 */
const least = { major: 11, minor: 1 };
const suite = 'trixie';
const multiarch = 'x86_64-linux-gnu';
/** Exists on every Debian system, empty; in a host's mount namespace the tree stands there. */
const mountPoint = '/mnt';
const program = 'usr/bin/qemu-system-x86_64';
/** All of the tree that is kept. */
const parts = [program, `usr/lib/${multiarch}`, 'usr/share/qemu', 'usr/share/seabios'];

/** This machine's QEMU. */
export async function ownEmulator(signal: AbortSignal): Promise<LabEmulator> {
  return { version: await runCommand(['qemu-system-x86_64', '--version'], {}, signal), tree: undefined };
}

/**
 * This machine's QEMU where it serves, that is with KVM or from version 11.1 on; else the newest that Debian has for its
 * stable release, in a tree of its own. Needs the network the first time; where it cannot be had, this machine's serves
 * all the same, and that is said.
 */
export async function newestEmulator(
  cache: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<LabEmulator> {
  const own = await ownEmulator(signal);
  const { accelerator } = await readAccelerator();
  if (accelerator === 'kvm' || servesWithoutKvm(own.version)) return own;
  const build: CachedBuild = {
    title: `QEMU for the test hosts (Debian ${suite}-backports; about 20 seconds and 100 MB from the archive)`,
    kind: 'emulator',
    key: cacheKey({ recipe: treeArguments('', '', []).join('\n'), parts: parts.join('\n') }, []),
    neededMiB: 1500,
    build: async (folder, buildSignal) => fetchTree(folder, progress, buildSignal),
  };
  try {
    const folder = await cachedBuild(build, cache, progress, signal);
    return { version: await readFile(join(folder, 'version'), 'utf8'), tree: join(folder, 'tree') };
  } catch (error) {
    signal.throwIfAborted();
    progress(
      `going on with this machine's QEMU, under which a move begins with seconds of standstill: ${DockError.from(error).message}`,
    );
    return own;
  }
}

/** For people: which QEMU, and whose. */
export function describeEmulator({ version, tree }: LabEmulator): string {
  const number = /version (\S+)/.exec(version)?.[1] ?? version;
  return `QEMU ${number}${tree === undefined ? '' : `, of Debian ${suite}-backports and for the lab alone`}`;
}

/** Exported for its test. `version`: what `qemu-system-x86_64 --version` prints. */
export function servesWithoutKvm(version: string): boolean {
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(version) ?? [];
  const found = { major: Number(major), minor: Number(minor) };
  return found.major > least.major || (found.major === least.major && found.minor >= least.minor);
}

/** Command lines that make this QEMU the one of a mount namespace, in its usual place. */
export function emulatorMounts({ tree }: LabEmulator): string[][] {
  if (tree === undefined) return [];
  const over = (path: string) => ['mount', '--bind', join(mountPoint, path), join('/', path)];
  return [
    ['mount', '--bind', tree, mountPoint],
    ...[program, 'usr/share/qemu', 'usr/share/seabios', `usr/lib/${multiarch}/qemu`].map(over),
  ];
}

function treeArguments(tarFile: string, archive: string, proxyOptions: readonly string[]): string[] {
  return [
    'mmdebstrap',
    '--variant=extract',
    `--aptopt=APT::Default-Release "${suite}-backports"`,
    '--aptopt=APT::Install-Recommends "false"',
    '--include=qemu-system-x86,qemu-system-modules-opengl',
    ...proxyOptions,
    suite,
    tarFile,
    `deb ${archive} ${suite} main`,
    `deb ${archive} ${suite}-backports main`,
  ];
}

async function fetchTree(folder: string, progress: Progress, signal: AbortSignal): Promise<void> {
  const [archive, proxyOptions] = await Promise.all([readOwnArchive(signal), readProxyOptions(signal)]);
  const tar = join(folder, 'tree.tar');
  const tree = join(folder, 'tree');
  await mkdir(tree);
  const environment: Record<string, string> = process.geteuid?.() === 0 ? { TMPDIR: folder } : {};
  await runCommand(treeArguments(tar, archive, proxyOptions), { environment }, signal);
  progress('taking QEMU and its libraries out');
  const members = parts.map((path) => `./${path}`);
  await runCommand(
    ['tar', '--extract', '--no-same-owner', `--file=${tar}`, `--directory=${tree}`, ...members],
    {},
    signal,
  );
  await rm(tar);
  const libraries = `usr/lib/${multiarch}`;
  const loader = `${libraries}/ld-linux-x86-64.so.2`;
  const alone = [
    join(tree, loader),
    '--library-path',
    join(tree, libraries),
    join(tree, program),
    '--version',
  ];
  await writeFile(join(folder, 'version'), await runCommand(alone, {}, signal));
  // Its libraries are those of another release: the program has to find these, and no other program may.
  const where = [
    '--set-interpreter',
    join(mountPoint, loader),
    '--force-rpath',
    '--set-rpath',
    join(mountPoint, libraries),
  ];
  await runCommand(['patchelf', ...where, join(tree, program)], {}, signal);
}
