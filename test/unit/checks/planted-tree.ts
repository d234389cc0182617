import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../../..');
const product = ['protocol', 'policies', 'host-plugins', 'guest-agent'];
const settings = [
  'package.json',
  'tsconfig.json',
  'tsconfig.pure.json',
  'eslint.config.js',
  '.dependency-cruiser.cjs',
  '.checks',
];

/** A copy of what is shipped and of the checks' settings, to plant mistakes in. */
export class PlantedTree implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async copy(): Promise<PlantedTree> {
    const folder = await mkdtemp(join(tmpdir(), 'planted-'));
    for (const name of [...product, ...settings]) {
      await cp(join(repository, name), join(folder, name), { recursive: true });
    }
    await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
    return new PlantedTree(folder);
  }

  async plant(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), text);
  }

  /** Runs one of the checks' programs in the copy. Never rejects: a red check is an answer. */
  run(program: string, ...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
    const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
    const options = { cwd: this.folder, maxBuffer: 64 * 1024 * 1024 };
    const path = join(repository, 'node_modules/.bin', program);
    const child = execFile(path, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
