import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WaitingProgram } from '../../../host-plugins/system/process/waiting-program.ts';

const { signal } = new AbortController();
const limitMs = 10_000;
const text = (parts: string[]) => parts.map((part) => Buffer.from(part));

let folder: string;
let said: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdp-'));
  said = join(folder, 'said');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Writes its process id first, and then what it reads. */
const listener = () => ['sh', '-c', `echo $$ > ${said}; exec cat >> ${said}`];

async function pidOf(): Promise<number> {
  await expect.poll(() => readFile(said, 'utf8').catch(() => ''), { timeout: limitMs }).toMatch(/^\d+\n/);
  return Number((await readFile(said, 'utf8')).split('\n')[0]);
}

async function untilGone(pid: number): Promise<void> {
  const isThere = () =>
    readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (line) => line !== '',
      () => false,
    );
  await expect.poll(isThere, { timeout: limitMs }).toBe(false);
}

describe('a program that waits for its input', () => {
  it('says which package is missing, to whoever feeds it', async () => {
    using program = new WaitingProgram(['wdock-no-such-program'], signal);
    await expect(program.feed(text(['a']), limitMs)).rejects.toMatchObject({ kind: 'missing-dependency' });
  });

  it('says why it had ended before it was fed', async () => {
    using program = new WaitingProgram(['sh', '-c', 'echo no right to >&2; exit 3'], signal);
    await expect(program.feed(text(['a']), limitMs)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('no right to'),
    });
  });

  it('is killed when it goes on after its input', async () => {
    using program = new WaitingProgram(['sh', '-c', `echo $$ > ${said}; exec sleep 600`], signal);
    const pid = await pidOf();
    await expect(program.feed(text(['a']), 50)).rejects.toMatchObject({ kind: 'timeout' });
    await untilGone(pid);
  });

  it('is killed when its input fails', async () => {
    using program = new WaitingProgram(listener(), signal);
    const pid = await pidOf();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      throw new Error('nothing more');
    }
    await expect(program.feed(broken(), limitMs)).rejects.toMatchObject({ kind: 'io' });
    await untilGone(pid);
  });

  it('ends when it is not needed, and with the signal', async () => {
    const program = new WaitingProgram(listener(), signal);
    const pid = await pidOf();
    program[Symbol.dispose]();
    await untilGone(pid);
    await expect(program.feed(text(['a']), limitMs)).rejects.toMatchObject({ kind: 'cancelled' });

    await rm(said);
    const over = new AbortController();
    using another = new WaitingProgram(listener(), over.signal);
    const other = await pidOf();
    over.abort();
    await untilGone(other);
    await expect(another.feed(text(['a']), limitMs)).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('is there before its input, and has read all of it at its end', async () => {
    using program = new WaitingProgram(listener(), signal);
    const pid = await pidOf();
    await program.feed(text(['one\n', 'two\n']), limitMs);
    expect(await readFile(said, 'utf8')).toBe(`${pid}\none\ntwo\n`);
  });
});
