import { mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateIdentity, type Identity } from '../../../host-plugins/pairing/identity.ts';
import type { ImageHead } from '../../../host-plugins/suspend/image-head.ts';
import { readStream } from '../../../host-plugins/suspend/image-reader.ts';
import { ImageWriter } from '../../../host-plugins/suspend/image-writer.ts';
import { SuspendedFolder } from '../../../host-plugins/suspend/suspended-folder.ts';
import { MachineContract } from '../../../protocol/workspace.ts';
import { anyStream, inPieces, streamOf } from './stream-fixture.ts';

const machine: ImageHead['machine'] = {
  workspace: 'work',
  homeDevice: 'home',
  device: { id: 'home', name: 'pad' },
  at: 0,
  contract: MachineContract.parse({
    machineType: 'pc-q35-10.0',
    cpuModel: 'Nehalem-v1',
    baseMemoryMiB: 128,
    maxPluggedMemoryMiB: 2,
    uuid: '11111111-1111-4111-8111-111111111111',
    generationId: '22222222-2222-4222-8222-222222222222',
    macAddress: '52:54:00:00:00:01',
  }),
  filling: { pluggedVcpus: [], requestedPluggedMemoryMiB: 0 },
  guestAddresses: [],
  network: { links: [] },
};
const signal = new AbortController().signal;

describe('a suspended image', () => {
  let drive: string;
  let pad: Identity;
  let pc: Identity;

  beforeEach(async () => {
    drive = await mkdtemp(join(tmpdir(), 'suspended-'));
    [pad, pc] = [await generateIdentity('pad'), await generateIdentity('pc')];
  });
  afterEach(() => rm(drive, { recursive: true, force: true }));

  async function suspend(stream: Buffer, { pieces = 1000, recipients = [pad, pc], finish = true } = {}) {
    await using folder = await SuspendedFolder.make(drive, 'work');
    await folder.requireOurs(pad, machine.contract.uuid);
    const key = await folder.keyFor(recipients, pad);
    await folder.retract();
    const files = folder.filesFor(key, machine.contract.uuid);
    const writer = new ImageWriter(files);
    for await (const { file, hashes } of folder.known(files, signal)) writer.know(file, hashes);
    await writer.take(inPieces(stream, pieces));
    const content = await writer.finish();
    if (!finish) return { id: '', statistics: writer.statistics };
    const id = await folder.publish(key, { ...content, machine });
    await folder.sweep(key, { ...content, machine });
    return { id, statistics: writer.statistics };
  }

  async function resume(device: Identity = pc): Promise<{ id: string; stream: Buffer }> {
    await using folder = await SuspendedFolder.open(drive, undefined);
    const { id, files, head } = await folder.find(device);
    const pieces: Buffer[] = [];
    for await (const piece of readStream(files, head)) pieces.push(piece);
    return { id, stream: Buffer.concat(pieces) };
  }

  const example = streamOf(
    [
      Array.from({ length: 16 }, (_, page) => ({ block: 0 as const, page, content: page % 5 })),
      [{ block: 1, page: 3, content: 9 }],
    ],
    Buffer.from('devices'),
  );

  it('gives QEMU the same bytes again, whatever they are and however they come', async () => {
    const anything = fc.oneof(
      { weight: 3, arbitrary: anyStream },
      fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
      // What looks like a machine's state and breaks off, or goes wrong in the middle.
      fc.tuple(anyStream, fc.nat()).map(([stream, at]) => stream.subarray(0, at % (stream.length + 1))),
      fc.tuple(anyStream, fc.nat(), fc.nat(255)).map(([stream, at, bits]) => {
        const broken = Buffer.from(stream);
        broken[at % broken.length] = bits;
        return broken;
      }),
    );
    await fc.assert(
      fc.asyncProperty(anything, fc.integer({ min: 1, max: 9000 }), async (stream, pieces) => {
        const { id } = await suspend(stream, { pieces });
        expect(await resume()).toEqual({ id, stream });
      }),
      { numRuns: 40 },
    );
  });

  it('is not read from files of which a bit, the end, or all of one is missing', async () => {
    await suspend(example);
    const folder = join(drive, 'wireless-dock', 'work');
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const whole = await readFile(path);
      const damages: [string, () => Promise<void>][] = [
        ['gone', () => unlink(path)],
        ['cut short', () => truncate(path, whole.length - 1)],
        ['empty', () => truncate(path, 0)],
      ];
      for (let at = 0; at < whole.length; at += Math.max(1, Math.floor(whole.length / 40))) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
        damages.push([`bit ${at}`, () => writeFile(path, bytes)]);
      }
      for (const [what, damage] of damages) {
        await damage();
        const read = await resume().then(
          ({ stream }) => (stream.equals(example) ? 'the same' : 'something else'),
          (error: unknown) => (error as { kind?: string }).kind,
        );
        // In the file of keys most of it is other devices'; what is wrong with those changes nothing here.
        const harmless = name.startsWith('key-') ? ['the same'] : [];
        expect(['untrusted', 'not-found', 'protocol', ...harmless], `${name} ${what}`).toContain(read);
        await writeFile(path, whole);
      }
    }
    expect((await resume()).stream).toEqual(example);
  });

  it('is for the devices that it was suspended for, and for no other', async () => {
    await suspend(example);
    expect((await resume(pad)).stream).toEqual(example);
    const stranger = await generateIdentity('stranger');
    await expect(resume(stranger)).rejects.toMatchObject({ kind: 'untrusted' });
  });

  it('has a new key, and nothing of the old one, when a device may read it no more', async () => {
    const before = (await suspend(example)).statistics;
    expect(before.pages.written).toBe(5);
    const { pages } = (await suspend(example, { recipients: [pad] })).statistics;
    expect(pages).toMatchObject({ written: 5, reused: 0 });
    await expect(resume(pc)).rejects.toMatchObject({ kind: 'untrusted' });
    expect((await resume(pad)).stream).toEqual(example);
  });

  it('takes what an earlier image, or one that was not finished, has left', async () => {
    await suspend(example, { finish: false });
    await expect(resume()).rejects.toMatchObject({ kind: 'not-found' });
    const second = await suspend(example, { recipients: [pad, pc] });
    expect(second.statistics.pages).toMatchObject({ written: 0, reused: 13 });
    const changed = streamOf([[{ block: 0, page: 1, content: 77 }]], Buffer.from('other devices'));
    expect((await suspend(changed)).statistics.pages).toMatchObject({ written: 1, reused: 0 });
    expect((await resume()).stream).toEqual(changed);
    // What it does not need is gone: its head, its key, a chunk and a recipe.
    expect(await readdir(join(drive, 'wireless-dock', 'work'))).toHaveLength(4);
  });

  it('is not written over the image of another machine', async () => {
    await suspend(example);
    await using folder = await SuspendedFolder.make(drive, 'work');
    const other = '33333333-3333-4333-8333-333333333333';
    await expect(folder.requireOurs(pad, other)).rejects.toMatchObject({ kind: 'conflict' });
    const stranger = await generateIdentity('stranger');
    await expect(folder.requireOurs(stranger, machine.contract.uuid)).rejects.toMatchObject({
      kind: 'conflict',
    });
  });
});
