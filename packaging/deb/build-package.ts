import { createHash } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runTool } from './run-tool.ts';

const project = join(import.meta.dirname, '../..');

/** Of every file in a package, so that the same sources make the same package (reproducible-builds.org). */
export const epochS = Number(process.env['SOURCE_DATE_EPOCH'] ?? 1_735_689_600);

/** `quick` is for tests: half as large again, made in a tenth of the time. */
export type Compression = 'small' | 'quick';

const compressionOptions: Record<Compression, readonly string[]> = {
  small: ['-Zxz'],
  quick: ['-Zgzip', '-z1'],
};

export interface PackageRecipe {
  readonly name: string;
  readonly architecture: 'all' | 'amd64';
  /** With `@VERSION@` and `@INSTALLED_SIZE@`. */
  readonly controlFile: string;
  /** Puts everything but `DEBIAN/control` and the changelog into the tree. */
  fill(tree: PackageTree, version: string): Promise<void>;
}

/** A package's files before they are packed. */
export class PackageTree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** The path of a file that somebody else writes; its folder is there then. */
  async place(target: string): Promise<string> {
    const path = join(this.root, target);
    await mkdir(join(path, '..'), { recursive: true });
    return path;
  }

  async write(target: string, content: string | Uint8Array): Promise<void> {
    await writeFile(await this.place(target), content);
  }

  async copy(source: string, target: string): Promise<void> {
    await this.write(target, await readFile(source));
  }

  /** Without the time of day in it, and as small as gzip can; Debian wants that of manual pages and changelogs. */
  async writeCompressed(target: string, text: string): Promise<void> {
    await this.write(`${target}.gz`, gzipSync(text, { level: 9 }));
  }
}

/**
 * Makes a Debian package and returns its path and version. The same sources make the same bytes: what is built from it
 * can be cached by its content. Throws `missing-dependency` where dpkg is not there.
 */
export async function buildPackage(
  recipe: PackageRecipe,
  outputFolder = join(project, 'dist'),
  compression: Compression = 'small',
): Promise<{ path: string; version: string }> {
  const { name, architecture } = recipe;
  const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  try {
    const tree = new PackageTree(folder);
    await recipe.fill(tree, version);
    await tree.writeCompressed(`usr/share/doc/${name}/changelog`, changelog(name, version));
    const { sums, kib } = await measure(folder);
    const control = await readFile(recipe.controlFile, 'utf8');
    await tree.write(
      'DEBIAN/control',
      control.replace('@VERSION@', version).replace('@INSTALLED_SIZE@', String(kib)),
    );
    await tree.write('DEBIAN/md5sums', sums);
    await normalise(folder);
    await mkdir(outputFolder, { recursive: true });
    const path = join(outputFolder, `${name}_${version}_${architecture}.deb`);
    // Another build may be reading the last one.
    const unfinished = `${path}.${process.pid}`;
    const pack = ['dpkg-deb', '--root-owner-group', ...compressionOptions[compression], '--build'];
    await runTool([...pack, folder, unfinished], 'dpkg', { SOURCE_DATE_EPOCH: String(epochS) });
    await rename(unfinished, path);
    return { path, version };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Debian wants one; the real one is the repository's history. */
function changelog(name: string, version: string): string {
  const date = new Date(epochS * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) unstable; urgency=medium\n\n  * Version ${version}.\n\n -- Wireless Dock+ <maintainers@wireless-dock.example>  ${date}\n`;
}

/** What dpkg checks with `--verify`, and the size that it announces, KiB. */
async function measure(root: string): Promise<{ sums: string; kib: number }> {
  let sums = '';
  let kib = 0;
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  for (const path of files.map((file) => join(file.parentPath, file.name)).sort()) {
    const inPackage = path.slice(root.length + 1);
    const found = await stat(path);
    if (!found.isFile() || inPackage.startsWith('DEBIAN/')) {
      kib += found.isDirectory() ? 1 : 0;
      continue;
    }
    kib += Math.ceil(found.size / 1024);
    // A conffile is the administrator's.
    if (inPackage.startsWith('etc/')) continue;
    sums += `${createHash('md5')
      .update(await readFile(path))
      .digest('hex')}  ${inPackage}\n`;
  }
  return { sums, kib };
}

/** Modes and times by rule instead of by checkout. */
async function normalise(tree: string): Promise<void> {
  for (const entry of ['', ...(await readdir(tree, { recursive: true }))]) {
    const path = join(tree, entry);
    const isProgram = /^(usr\/s?bin\/|usr\/lib\/wireless-dock\/|DEBIAN\/(postinst|prerm|postrm)$)/.test(
      entry,
    );
    await chmod(path, (await stat(path)).isDirectory() || isProgram ? 0o755 : 0o644);
    await utimes(path, epochS, epochS);
  }
}
