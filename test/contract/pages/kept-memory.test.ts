import { hash, randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../host-plugins/pages/kept/guest-memory.ts';
import { digestText } from '../../../host-plugins/pages/kept/image.ts';
import type { KeptWorkspace } from '../../../host-plugins/pages/kept/kept-memory.ts';
import { type PageList, PageListBuilder, pageBytes } from '../../../host-plugins/pages/page-list.ts';
import { Folder, smallContract, soon, TestHost } from '../qemu/machine-fixture.ts';
import { keptMemory } from './keeping-fixture.ts';
import { writeMemoryPages } from './memory-of-qemu.ts';

const baseBytes = (128 * 1024 + 64) * 1024;
const pluggedBytes = 1024 * 1024 * 1024;
const seal = { kind: 'kept', epoch: 5, peer: 'dock' } as const;

const workspaceIn = ({ path }: Folder): KeptWorkspace => ({
  name: 'work',
  uuid: 'uuid',
  folder: `${path}/memory`,
});

const randomPages = (indices: readonly number[]) =>
  new Map(indices.map((index) => [index, randomBytes(pageBytes)]));

function listOf(blocks: Record<string, { bytes: number; pages: ReadonlyMap<number, Buffer> }>): PageList {
  const builder = new PageListBuilder();
  for (const [name, { bytes, pages }] of Object.entries(blocks)) {
    builder.block(name, bytes);
    for (const [index, page] of pages) builder.add(index, hash('sha256', page, 'buffer'));
  }
  return builder.build();
}

const contents = (...blocks: ReadonlyMap<number, Buffer>[]) => blocks.flatMap((pages) => [...pages.values()]);
const whole = (list: PageList) => ({ seal, list: async () => list });
const all = (list: PageList) => Uint32Array.from(list.indices.keys());

async function filledMachine(host: TestHost) {
  const qemu = await host.startQemu(smallContract());
  const base = randomPages(Array.from({ length: 700 }, (_, index) => 300 + index * 3));
  const plugged = randomPages([0, 1, 2, 100_000, 262_143]);
  await writeMemoryPages(qemu.pid, baseBytes, base);
  await writeMemoryPages(qemu.pid, pluggedBytes, plugged);
  const list = listOf({
    base: { bytes: baseBytes, pages: base },
    plugged: { bytes: pluggedBytes, pages: plugged },
  });
  return { qemu, list, pages: contents(base, plugged) };
}

describe('the memory of a real QEMU', { timeout: 60_000 }, () => {
  it('is kept after QEMU has ended, page by page as it was, and read again', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const { qemu, list, pages } = await filledMachine(host);
    const memory = await GuestMemory.open(qemu.pid);
    await qemu.kill(soon());
    const { kept } = keptMemory();
    await using _kept = kept;
    const workspace = workspaceIn(folder);
    await kept.keep(workspace, whole(list), memory);
    await using image = await kept.open(workspace, 5);
    expect(image?.facts.missing).toBe(0);
    const found = await image?.read(all(list));
    expect(found?.map((page) => page !== undefined && Buffer.from(page))).toEqual(pages);
    expect(await kept.facts(workspace)).toMatchObject({ bytes: expect.any(Number), at: expect.any(Number) });
  });

  it('is kept only where it is what the transfer has sent', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const { qemu, list } = await filledMachine(host);
    await writeMemoryPages(qemu.pid, baseBytes, randomPages([303])); // after the transfer
    const { kept } = keptMemory();
    await using _kept = kept;
    await kept.keep(workspaceIn(folder), whole(list), await GuestMemory.open(qemu.pid));
    await using image = await kept.open(workspaceIn(folder), 5);
    expect(image?.facts.missing).toBe(1);
    expect(await image?.read(Uint32Array.of(1))).toEqual([undefined]);
  });

  it('that no other process may look at is said', async () => {
    await expect(GuestMemory.open(process.pid)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('no memory file'),
    });
    await expect(GuestMemory.open(2 ** 30)).rejects.toMatchObject({ kind: 'io' });
  });
});

describe('kept memory', { timeout: 60_000 }, () => {
  it('is not used in another epoch, for another machine, or when it is damaged', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const { qemu, list } = await filledMachine(host);
    const { kept, said } = keptMemory();
    await using _kept = kept;
    const workspace = workspaceIn(folder);
    await kept.keep(workspace, whole(list), await GuestMemory.open(qemu.pid));
    expect(await kept.open(workspace, 6)).toBeUndefined();
    expect(said.at(-1)).toContain('of another time');
    expect(await kept.open({ ...workspace, uuid: 'another' }, 5)).toBeUndefined();
    expect(said.at(-1)).toContain('cannot be used');
    const path = join(workspace.folder, 'here/image');
    const image = await readFile(path);
    image[image.length >> 1] = (image[image.length >> 1] ?? 0) ^ 4;
    await writeFile(path, image);
    expect(await kept.open(workspace, 5)).toBeUndefined();
  });

  it('is not written when it is not wanted, or would take more than it may; the log says so', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const { qemu, list } = await filledMachine(host);
    const workspace = workspaceIn(folder);
    const off = keptMemory({ settings: { enabled: false, maxMiB: 1024 } });
    await off.kept.keep(workspace, whole(list), await GuestMemory.open(qemu.pid));
    expect(await off.kept.facts(workspace)).toBeUndefined();
    const small = keptMemory({ settings: { enabled: true, maxMiB: 1 } });
    await small.kept.keep(workspace, whole(list), await GuestMemory.open(qemu.pid));
    expect(await small.kept.open(workspace, 5)).toBeUndefined();
    expect(small.said.join()).toContain('more than the 1 MiB that it may');
  });

  it('of another device is known by its digest, and forgotten with the device', async () => {
    await using folder = await Folder.create();
    const pages = randomPages([1, 5, 9]);
    const list = listOf({ base: { bytes: 100 * pageBytes, pages } });
    const { kept } = keptMemory();
    await using _kept = kept;
    const workspace = workspaceIn(folder);
    await kept.noteThere(workspace, whole(list));
    await using image = await kept.open(workspace, 5);
    expect(image).toBeUndefined(); // it is no memory of this device's
    expect(await kept.there(workspace, 'dock')).toMatchObject({ digest: digestText(list), list });
    await kept.forgetDevice(workspace, 'dock');
    expect(await kept.there(workspace, 'dock')).toBeUndefined();
  });

  it('is removed with the device that the VM had gone to, and on request', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const { qemu, list } = await filledMachine(host);
    const { kept } = keptMemory();
    await using _kept = kept;
    const workspace = workspaceIn(folder);
    await kept.keep(workspace, whole(list), await GuestMemory.open(qemu.pid));
    await kept.forgetDevice(workspace, 'another');
    expect(await kept.facts(workspace)).toBeDefined();
    await kept.forgetDevice(workspace, 'dock');
    expect(await kept.facts(workspace)).toBeUndefined();
    await kept.keep(workspace, whole(list), await GuestMemory.open(qemu.pid));
    const writing = kept.keep(
      workspace,
      { ...whole(list), seal: { ...seal, epoch: 6 } },
      await GuestMemory.open(qemu.pid),
    );
    await kept.forget(workspace);
    await writing;
    expect(await kept.facts(workspace)).toBeUndefined();
    await rm(folder.path, { recursive: true });
  });

  it('is not begun before its time, and at once when somebody needs it', async () => {
    await using folder = await Folder.create();
    const workspace = workspaceIn(folder);
    const list = listOf({ base: { bytes: 100 * pageBytes, pages: randomPages([1, 5, 9]) } });
    const { kept } = keptMemory();
    await using _kept = kept;
    const time = Promise.withResolvers<void>();
    let begun = false;
    const made = async () => {
      begun = true;
      return list;
    };
    const noted = kept.noteThere(workspace, { seal, list: made, after: time.promise });
    expect(await Promise.race([noted.then(() => 'noted'), delay(100, 'waiting')])).toBe('waiting');
    expect(begun).toBe(false);
    time.reject(new Error('the adapting failed'));
    await noted;
    expect(begun).toBe(true);

    const never = new Promise<void>(() => {});
    const again = kept.noteThere(workspace, { ...whole(list), after: never });
    expect(await kept.there(workspace, 'dock')).toMatchObject({ digest: digestText(list), list });
    await again;
  });

  it('that waits for its time is read when its VM comes back, and removed on request', async () => {
    await using folder = await Folder.create();
    await using host = await TestHost.create();
    const workspace = workspaceIn(folder);
    const { qemu, list } = await filledMachine(host);
    const { kept } = keptMemory();
    await using _kept = kept;
    const never = new Promise<void>(() => {});
    const toKeep = { ...whole(list), after: never };
    const first = kept.keep(workspace, toKeep, await GuestMemory.open(qemu.pid));
    await using image = await kept.open(workspace, 5);
    expect(image?.facts.missing).toBe(0);
    await first;

    const second = kept.keep(workspace, toKeep, await GuestMemory.open(qemu.pid));
    const there = kept.noteThere(workspace, toKeep);
    await kept.forget(workspace);
    await Promise.all([second, there]);
    expect(await kept.facts(workspace)).toBeUndefined();
  });
});
