import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { trimCache } from '../../../guest-agent/apply/trim-cache.ts';
import { shareReclaim } from '../../../guest-agent/decide/share-reclaim.ts';
import { SystemFiles } from '../../../guest-agent/system-files.ts';

interface Pretence {
  /** Inactive, dirty and mapped file pages of each group, MiB. */
  readonly groups: Readonly<Record<string, { cold: number; dirty?: number; mapped?: number }>>;
  readonly activeMiB?: number;
  readonly swap?: boolean;
  /** Before 6.9 `swappiness=` is refused. */
  readonly old?: boolean;
  readonly pressure?: number;
  /** What the kernel finds of what it is asked for. */
  readonly gives?: number;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** The files of a kernel that reclaims, in a folder; what is written is answered as the kernel answers it. */
class PretendedKernel extends SystemFiles {
  readonly writes: string[] = [];
  readonly #pretence: Pretence;
  readonly #cold: Record<string, number>;
  #activeMiB: number;

  constructor(pretence: Pretence) {
    const root = mkdtempSync(join(tmpdir(), 'wdock-kernel-'));
    folders.push(root);
    super(root);
    this.#pretence = pretence;
    this.#cold = Object.fromEntries(Object.entries(pretence.groups).map(([name, { cold }]) => [name, cold]));
    this.#activeMiB = pretence.activeMiB ?? 100;
    this.#put('/proc/swaps', `Filename Type Size Used\n${pretence.swap === true ? '/dev/vdb 1 2 3\n' : ''}`);
    this.#put('/proc/pressure/memory', `some avg10=${pretence.pressure ?? 0} avg60=0\n`);
    for (const name of Object.keys(pretence.groups)) this.#put(`/sys/fs/cgroup/${name}/memory.reclaim`, '');
    this.#put('/sys/fs/cgroup/no-controller/cgroup.procs', '');
    this.#show();
  }

  override async write(path: string, text: string): Promise<void> {
    this.writes.push(`${path} ${text}`);
    const group = /cgroup\/([^/]+)\/memory\.reclaim$/.exec(path)?.[1];
    if (group !== undefined) return this.#reclaim(group, text);
    if (path.endsWith('drop_caches')) {
      for (const name of Object.keys(this.#cold)) this.#cold[name] = 0;
      this.#activeMiB = 10;
      this.#show();
    }
  }

  #reclaim(group: string, text: string): void {
    const { old = false, gives = 1 } = this.#pretence;
    if (old && text.includes('swappiness')) throw Object.assign(new Error('invalid'), { code: 'EINVAL' });
    const cold = this.#cold[group] ?? 0;
    const asked = Number.parseInt(text, 10);
    const given = Math.min(asked * gives, cold);
    this.#cold[group] = cold - given;
    this.#show();
    if (given < asked) throw Object.assign(new Error('again'), { code: 'EAGAIN' });
  }

  #show(): void {
    const cold = Object.values(this.#cold).reduce((sum, each) => sum + each, 0);
    this.#put(
      '/proc/meminfo',
      `Active(file): ${this.#activeMiB * 1024} kB\nInactive(file): ${Math.round(cold * 1024)} kB\n`,
    );
    for (const [name, { dirty = 0, mapped = 0 }] of Object.entries(this.#pretence.groups)) {
      const bytes = (mib: number) => Math.round(mib * 1024 * 1024);
      this.#put(
        `/sys/fs/cgroup/${name}/memory.stat`,
        [
          `file_mapped ${bytes(mapped)}`,
          `file_dirty ${bytes(dirty)}`,
          'file_writeback 0',
          `inactive_file ${bytes(this.#cold[name] ?? 0)}`,
          '',
        ].join('\n'),
      );
    }
  }

  #put(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

const wish = { mib: 200, keepMiB: 64, orAll: false, limitMs: 60_000 };
const never = new AbortController().signal;
const trim = (kernel: PretendedKernel, changes: object = {}) =>
  trimCache(kernel, { ...wish, ...changes }, never);
const dropped = (kernel: PretendedKernel) => kernel.writes.some((each) => each.includes('drop_caches'));

describe('giving page cache back', () => {
  it('takes nothing, and says why, where the kernel cannot be asked for a part', async () => {
    const kernel = new PretendedKernel({ groups: {} });
    const { droppedMiB, problems } = await trim(kernel);
    expect(droppedMiB).toBe(0);
    expect(problems.join()).toContain('no memory.reclaim');
    expect(kernel.writes).toEqual([]);
  });

  it('does not let an older kernel swap programs out for it', async () => {
    const kernel = new PretendedKernel({ groups: { 'system.slice': { cold: 300 } }, old: true, swap: true });
    const { droppedMiB, problems } = await trim(kernel);
    expect(droppedMiB).toBe(0);
    expect(problems.join()).toContain('swap programs out');
    expect(dropped(kernel)).toBe(false);
  });

  it('drops all that is clean there only where that was asked for', async () => {
    const kernel = new PretendedKernel({ groups: { 'system.slice': { cold: 300 } }, old: true, swap: true });
    expect(await trim(kernel, { orAll: true })).toEqual({ droppedMiB: 390, keptMiB: 10, problems: [] });
  });

  it('stops when the guest runs short, and says so', async () => {
    const kernel = new PretendedKernel({ groups: { 'user.slice': { cold: 300 } }, pressure: 30 });
    const { droppedMiB, problems } = await trim(kernel);
    expect(droppedMiB).toBe(32);
    expect(problems.join()).toContain('short of memory');
  });

  it('stops when its time is up', async () => {
    const kernel = new PretendedKernel({ groups: { 'user.slice': { cold: 300 } } });
    expect(await trim(kernel, { limitMs: 0 })).toMatchObject({ droppedMiB: 0, problems: [] });
  });

  it('does not ask for ever a kernel that gives nothing', async () => {
    const kernel = new PretendedKernel({ groups: { 'user.slice': { cold: 300 } }, gives: 0 });
    expect(await trim(kernel)).toMatchObject({ droppedMiB: 0 });
    expect(kernel.writes).toHaveLength(1);
  });

  it('leaves what programs have mapped: their code would be missing the moment after', async () => {
    const kernel = new PretendedKernel({
      groups: { 'system.slice': { cold: 100, mapped: 60 }, 'user.slice': { cold: 40, mapped: 90 } },
    });
    expect(await trim(kernel)).toMatchObject({ droppedMiB: 40, problems: [] });
    expect(kernel.writes.join()).not.toContain('user.slice');
  });

  it('leaves what is dirty, and what is to be kept', async () => {
    const dirty = new PretendedKernel({ groups: { 'user.slice': { cold: 100, dirty: 90 } } });
    expect(await trim(dirty)).toMatchObject({ droppedMiB: 10 });
    const kept = new PretendedKernel({ groups: { 'user.slice': { cold: 300 } }, activeMiB: 0 });
    expect(await trim(kept, { mib: 300 })).toMatchObject({ droppedMiB: 236, keptMiB: 64 });
  });

  it('asks each group for its part, without swapping, and makes whole blocks of what is free', async () => {
    const kernel = new PretendedKernel({
      groups: { 'system.slice': { cold: 300 }, 'user.slice': { cold: 100 }, 'init.scope': { cold: 0 } },
    });
    expect(await trim(kernel, { mib: 32 })).toMatchObject({ droppedMiB: 32, problems: [] });
    expect(kernel.writes).toEqual([
      '/sys/fs/cgroup/system.slice/memory.reclaim 24M swappiness=0',
      '/sys/fs/cgroup/user.slice/memory.reclaim 8M swappiness=0',
      '/proc/sys/vm/compact_memory 1',
    ]);
  });

  it('does without the option of newer kernels where there is no swap', async () => {
    const kernel = new PretendedKernel({ groups: { 'system.slice': { cold: 300 } }, old: true });
    expect(await trim(kernel)).toMatchObject({ droppedMiB: 200, problems: [] });
  });
});

describe("a group's part", () => {
  it('is never more than what lies cold in it, and all parts together little more than is wanted', () => {
    const groups = fc.array(
      fc.record({ name: fc.string(), coldMiB: fc.double({ min: -50, max: 500, noNaN: true }) }),
      {
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1000, noNaN: true }), groups, (wanted, all) => {
        const shares = shareReclaim(wanted, all);
        let sum = 0;
        for (const { name, mib } of shares) {
          const most = Math.max(...all.filter((group) => group.name === name).map(({ coldMiB }) => coldMiB));
          expect(mib).toBeGreaterThanOrEqual(1);
          expect(mib).toBeLessThanOrEqual(most);
          sum += mib;
        }
        expect(sum).toBeLessThanOrEqual(Math.min(32, wanted) + all.length);
      }),
    );
  });
});
