import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { HeldProgram } from '../../../host-plugins/system/process/held-program.ts';

const { signal } = new AbortController();
const quiet = { onLine: () => {} };

async function endOf(program: HeldProgram): Promise<unknown> {
  if (!program.ended.aborted) await once(program.ended, 'abort');
  return program.ended.reason;
}

describe('a program that is held', () => {
  it('says which package is missing when it is not installed', async () => {
    const program = await HeldProgram.start(['wdock-no-such-program'], quiet, signal);
    expect(await endOf(program)).toMatchObject({ kind: 'missing-dependency' });
  });

  it('says its last words when it ends without being asked', async () => {
    const program = await HeldProgram.start(['sh', '-c', 'echo no right to >&2; exit 3'], quiet, signal);
    expect(await endOf(program)).toMatchObject({
      kind: 'io',
      message: expect.stringContaining('no right to'),
    });
  });

  it('tells its lines, reads what is written, and has ended when it is disposed', async () => {
    const line = Promise.withResolvers<string>();
    const program = await HeldProgram.start(['sh', '-c', 'echo $$; cat'], { onLine: line.resolve }, signal);
    const pid = await line.promise;
    await program[Symbol.asyncDispose]();
    await expect(readFile(`/proc/${pid}/cmdline`)).rejects.toThrow(/ENOENT/);
    expect(program.ended.aborted).toBe(false);
  });

  it('ends with a process that is killed', async () => {
    const module = new URL('../../../host-plugins/system/process/held-program.ts', import.meta.url);
    const script = `const { HeldProgram } = await import(${JSON.stringify(module.href)});
      await HeldProgram.start(['sh', '-c', 'echo $$; exec sleep 600'], { onLine: console.log }, new AbortController().signal);
      setInterval(() => {}, 1000);`;
    const pid = Promise.withResolvers<string>();
    const argv = [process.execPath, '--input-type=module', '--eval', script];
    const holder = await HeldProgram.start(argv, { onLine: pid.resolve }, signal);
    const held = await pid.promise;
    await holder[Symbol.asyncDispose]();
    const isGone = () =>
      readFile(`/proc/${held}/cmdline`, 'utf8').then(
        (text) => text === '',
        () => true,
      );
    await expect.poll(isGone, { timeout: 10_000 }).toBe(true);
  });
});
