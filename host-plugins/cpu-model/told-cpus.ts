import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { CpuCapability } from '../../protocol/cpu-capability.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';

const File = z.strictObject({ format: z.literal(1), devices: z.record(z.string(), CpuCapability) });

/**
 * What other devices have told of their CPUs, by device id, in `cpus.json`: a workspace can be made, and looked at, while
 * they are off. A file that cannot be understood is begun anew: each device tells it again.
 */
export class ToldCpus {
  readonly #path: string;
  readonly #onDamage: (why: DockError) => void;
  #told: Promise<Map<string, CpuCapability>> | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(path: string, onDamage: (why: DockError) => void) {
    this.#path = path;
    this.#onDamage = onDamage;
  }

  async of(deviceId: string): Promise<CpuCapability | undefined> {
    return (await this.#load()).get(deviceId);
  }

  /** Adds to what it told of other models, as long as QEMU and processor are the same ones. */
  async tell(deviceId: string, now: CpuCapability): Promise<void> {
    await this.#change((told) => {
      const last = told.get(deviceId);
      const before = last !== undefined && isSameHost(last, now) ? last.models : [];
      const names = new Set(now.models.map(({ name }) => name));
      const models = [...now.models, ...before.filter(({ name }) => !names.has(name))];
      told.set(deviceId, { ...now, models: models.sort((a, b) => (a.name < b.name ? -1 : 1)) });
    });
  }

  async forget(deviceId: string): Promise<void> {
    await this.#change((told) => void told.delete(deviceId));
  }

  /** One at a time; nothing is written where nothing is different. */
  async #change(apply: (told: Map<string, CpuCapability>) => void): Promise<void> {
    const change = this.#writing.then(async () => {
      const told = await this.#load();
      const next = new Map(told);
      apply(next);
      if (isDeepStrictEqual(next, told)) return;
      const text = `${JSON.stringify({ format: 1, devices: Object.fromEntries(next) })}\n`;
      try {
        await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
        await writeFileDurably(this.#path, text);
      } catch (cause) {
        throw new DockError('io', `${this.#path} cannot be written: ${(cause as Error).message}`, { cause });
      }
      this.#told = Promise.resolve(next);
    });
    this.#writing = change.catch(() => undefined);
    await change;
  }

  #load(): Promise<Map<string, CpuCapability>> {
    this.#told ??= this.#read();
    return this.#told;
  }

  async #read(): Promise<Map<string, CpuCapability>> {
    try {
      return new Map(Object.entries(File.parse(JSON.parse(await readFile(this.#path, 'utf8'))).devices));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code !== 'ENOENT')
        this.#onDamage(new DockError('io', `${this.#path} cannot be read: ${message}`, { cause }));
      return new Map();
    }
  }
}

function isSameHost(one: CpuCapability, other: CpuCapability): boolean {
  return isDeepStrictEqual({ ...one, models: [] }, { ...other, models: [] });
}
