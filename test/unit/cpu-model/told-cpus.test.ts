import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ToldCpus } from '../../../host-plugins/cpu-model/told-cpus.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';
import { laptop, tablet } from './example-cpus.ts';

const id = 'a'.repeat(64);
const other = 'b'.repeat(64);

async function told() {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'state', 'cpus.json');
  const damage: string[] = [];
  const open = () => new ToldCpus(path, ({ message }) => damage.push(message));
  return { path, damage, open, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe('what other devices told', () => {
  it('is begun anew where the file cannot be understood, and that is said', async () => {
    await using file = await told();
    await file.open().tell(id, laptop.capability);
    await writeFile(file.path, '{"format":1,"devices":{"x":7}}');
    const reader = file.open();
    expect(await reader.of(id)).toBeUndefined();
    expect(file.damage).toEqual([expect.stringContaining(file.path)]);
    await reader.tell(id, laptop.capability);
    expect(await file.open().of(id)).toBeDefined();
  });

  it('outlives wdockd, and is forgotten with the device', async () => {
    await using file = await told();
    const book = file.open();
    await Promise.all([book.tell(id, laptop.capability), book.tell(other, tablet.capability)]);
    expect((await file.open().of(id))?.models).toHaveLength(laptop.capability.models.length);
    await book.forget(id);
    expect(await file.open().of(id)).toBeUndefined();
    expect(await file.open().of(other)).toBeDefined();
  });

  it('of one model is added to what it told of others, until its QEMU or processor is another one', async () => {
    await using file = await told();
    const book = file.open();
    const say = (name: string, missing: string[], qemuVersion = '10.0.2') =>
      book.tell(id, { ...laptop.capability, qemuVersion, models: [{ name, missing }] });
    await say('Haswell-v4', ['avx2']);
    await say('Nehalem-v1', []);
    await say('Haswell-v4', []);
    expect((await book.of(id))?.models).toEqual([
      { name: 'Haswell-v4', missing: [] },
      { name: 'Nehalem-v1', missing: [] },
    ]);
    const text = await readFile(file.path, 'utf8');
    await say('Haswell-v4', []);
    expect(await readFile(file.path, 'utf8')).toBe(text);
    await say('Haswell-v4', [], '11.0.0');
    expect((await book.of(id))?.models).toEqual([{ name: 'Haswell-v4', missing: [] }]);
  });
});
