import { hash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { BaseImages } from '../../../host-plugins/pages/disk/base-images.ts';
import { pageBytes } from '../../../host-plugins/pages/page-list.ts';
import { runtimeFiles } from '../../../host-plugins/qemu/runtime-files.ts';
import { startStorageDaemon } from '../../../host-plugins/qemu/storage-daemon.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import { Folder, soon } from '../qemu/machine-fixture.ts';
import { randomPage } from './keeping-fixture.ts';

const limit = { timeoutMs: 60_000 };

/** Every third block has content; of zeros are the others. */
const blockCount = 2048;
const contentAt = (index: number) => (index % 3 === 0 ? randomPage(index % 300) : Buffer.alloc(pageBytes));

class Images implements AsyncDisposable {
  readonly said: string[] = [];
  readonly raw: string;
  readonly #folder: Folder;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.raw = join(folder.path, 'images/disk.raw');
  }

  static async create(): Promise<Images> {
    const images = new Images(await Folder.create());
    await mkdir(images.path('images'));
    await mkdir(images.path('run'));
    const blocks = Array.from({ length: blockCount }, (_, index) => contentAt(index));
    await writeFile(images.raw, Buffer.concat(blocks));
    return images;
  }

  path(name: string): string {
    return join(this.#folder.path, name);
  }

  /** As after each start of wdockd. */
  open(folders = [this.path('images')]): BaseImages {
    return new BaseImages({
      folders,
      backingFiles: async () => [],
      stateFolder: this.path('state'),
      runtimeFolder: this.path('run'),
      log: pino({}, { write: (line: string) => void this.said.push(line) }),
    });
  }

  async qemuImg(...args: string[]): Promise<void> {
    await run(['qemu-img', ...args], { ...limit, signal: soon() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function offered(images: BaseImages) {
  await images.refresh(soon(60_000));
  return await images.offers();
}

describe('base images', { timeout: 120_000 }, () => {
  it('have the same list whatever their format, and give their blocks', async () => {
    await using images = await Images.create();
    const compressed = images.path('images/compressed.qcow2');
    await images.qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-c', images.raw, compressed);
    const base = images.open();
    const [one, other] = await offered(base);
    expect(one?.image.format).not.toBe(other?.image.format);
    expect(one?.digest).toBe(other?.digest);
    const indices = Array.from({ length: blockCount }, (_, index) => index).filter(
      (index) => index % 3 === 0,
    );
    const list = await base.list(one?.digest ?? '');
    expect([...(list?.indices ?? [])]).toEqual(indices);
    expect(list?.hashes.slice(0, 32)).toEqual(new Uint8Array(hash('sha256', contentAt(0), 'buffer')));
    await rm(images.raw); // of the compressed one, then
    await using blocks = await images.open().open(one?.digest ?? '');
    expect(blocks).toBeUndefined(); // not looked for yet
    await base.refresh(soon());
    await using found = await base.open(one?.digest ?? '');
    const places = Uint32Array.of(0, 1, 2, 400, 5, indices.length - 1, indices.length);
    const read = await found?.read(places);
    const wanted = Array.from(places, (place) => indices[place]);
    expect(read?.map((block) => block && Buffer.from(block))).toEqual(
      wanted.map((index) => (index === undefined ? undefined : contentAt(index))),
    );
  });

  it('are not offered when they were changed, and listed anew', async () => {
    await using images = await Images.create();
    const base = images.open();
    const [before] = await offered(base);
    await using blocks = await base.open(before?.digest ?? '');
    {
      await using file = await open(images.raw, 'r+');
      await file.write(randomPage(77_777), 0, pageBytes, 0);
    }
    expect(await base.offers()).toEqual([]);
    expect(await base.open(before?.digest ?? '')).toBeUndefined();
    const now = await blocks?.read(Uint32Array.of(0)); // whoever opened it before sees what there is now
    expect(now?.map((block) => block && Buffer.from(block))).toEqual([randomPage(77_777)]);
    const [after] = await offered(base);
    expect(after?.digest).not.toBe(before?.digest);
  });

  it('give nothing when the image is gone or its program dies, and say nothing else', async () => {
    await using images = await Images.create();
    const base = images.open();
    const [only] = await offered(base);
    await using blocks = await base.open(only?.digest ?? '');
    await rm(images.raw);
    expect(await blocks?.read(Uint32Array.of(0, 1))).toEqual([undefined, undefined]);
  });

  it('that are encrypted, stand on another image, or are too small are left out', async () => {
    await using images = await Images.create();
    const over = images.path('images/over.qcow2');
    await images.qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', images.raw, over);
    const secret = [
      '--object',
      'secret,id=key,data=word',
      '-o',
      'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10',
    ];
    await images.qemuImg('create', '-q', '-f', 'qcow2', ...secret, images.path('images/locked.qcow2'), '16M');
    await writeFile(images.path('images/README'), 'x'.repeat(5000));
    const found = await offered(images.open());
    expect(found.map(({ image }) => image.path)).toEqual([images.raw]);
  });

  it('are listed once: the next wdockd takes the list, but not one that is damaged', async () => {
    await using images = await Images.create();
    const [before] = await offered(images.open());
    const [name = ''] = await readdir(images.path('state'));
    const path = images.path(`state/${name}`);
    const whole = await readFile(path);
    images.said.length = 0;
    expect(await offered(images.open())).toEqual([before]);
    expect(images.said).toEqual([]);
    for (const at of [0, 5, whole.length >> 1, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await writeFile(path, damaged);
      expect(await offered(images.open())).toEqual([before]);
      expect(images.said.join()).toContain('are listed');
      images.said.length = 0;
    }
  });

  it('that are gone leave no list', async () => {
    await using images = await Images.create();
    const base = images.open();
    await offered(base);
    await rm(images.raw);
    expect(await offered(base)).toEqual([]);
    expect(await readdir(images.path('state'))).toEqual([]);
    expect(await offered(images.open([images.path('nowhere')]))).toEqual([]);
    expect(images.said.join()).toContain('cannot be read');
  });

  it('that a program writes to are left alone', async () => {
    await using images = await Images.create();
    await using folder = await Folder.create();
    const qcow = images.path('images/written.qcow2');
    await rm(images.raw);
    await images.qemuImg('create', '-q', '-f', 'qcow2', qcow, '16M');
    const writer = await startStorageDaemon(
      { path: qcow, format: 'qcow2' },
      runtimeFiles(folder.path),
      soon(),
    );
    try {
      expect(await offered(images.open())).toEqual([]);
    } finally {
      await writer.kill(soon());
    }
  });
});
