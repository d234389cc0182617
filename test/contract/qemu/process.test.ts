import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  adoptDetached,
  DetachedProcess,
  startDetached,
} from '../../../host-plugins/system/process/detached-process.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { Folder, soon } from './machine-fixture.ts';

const never = new AbortController().signal;

describe('running a program', () => {
  it('that is not installed names its package', async () => {
    await expect(
      run(['/no/such/folder/nft', '-v'], { timeoutMs: 1_000, signal: never }),
    ).rejects.toMatchObject({
      kind: 'missing-dependency',
      message: expect.stringContaining('nftables'),
    });
  });

  it('that fails has the command, its code and what it said', async () => {
    const failed = run(['sh', '-c', 'echo careful >&2; exit 3'], { timeoutMs: 5_000, signal: never });
    await expect(failed).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/sh -c .*exit code 3.*careful/s),
      detail: { exitCode: 3, stderr: 'careful\n' },
    });
  });

  it('that takes too long is a timeout, one that nobody waits for is cancelled', async () => {
    await expect(run(['sleep', '60'], { timeoutMs: 30, signal: never })).rejects.toMatchObject({
      kind: 'timeout',
    });
    const stop = new AbortController();
    const stopped = run(['sleep', '60'], { timeoutMs: 60_000, signal: stop.signal });
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('that does not read its input is judged by its exit code', async () => {
    const input = 'x'.repeat(1_000_000);
    expect(await run(['true'], { input, timeoutMs: 5_000, signal: never })).toEqual({
      stdout: '',
      stderr: '',
    });
  });

  it('gets its input in parts, as they come, and is ended when there is no next one', async () => {
    const encode = new TextEncoder();
    async function* parts(fails: boolean) {
      yield encode.encode('one, ');
      yield encode.encode('two');
      if (fails) throw new Error('no third part');
    }
    const options = { timeoutMs: 5_000, signal: never };
    expect((await run(['cat'], { ...options, input: parts(false) })).stdout).toBe('one, two');
    const ended = run(['sleep', '60'], { ...options, input: parts(true) });
    await expect(ended).rejects.toMatchObject({ kind: 'io', message: expect.stringMatching(/SIGKILL/) });
  });

  it('whose input fails is never content with what it got', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one');
      throw new Error('no more');
    }
    const tries = Array.from({ length: 30 }, () =>
      run(['cat'], { input: failing(), timeoutMs: 10_000, signal: never }).then(
        () => 'content',
        (error: unknown) => DockError.from(error).kind,
      ),
    );
    expect(new Set(await Promise.all(tries))).toEqual(new Set(['io']));
  });

  it('gets its arguments as they are, its input, and the C locale', async () => {
    const { stdout } = await run(['sh', '-c', 'cat; printf %s "$1$LC_ALL"', 'sh', '$(id); *'], {
      input: 'in ',
      timeoutMs: 5_000,
      signal: never,
    });
    expect(stdout).toBe('in $(id); *C');
  });
});

describe('a detached process', () => {
  it('that is not installed leaves no pid file', async () => {
    await using folder = await Folder.create();
    await expect(start(folder, ['/no/such/program'])).rejects.toMatchObject({ kind: 'missing-dependency' });
    await expect(readFile(join(folder.path, 'pid'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that ends at once is said with its last words, or is simply not alive', async () => {
    await using folder = await Folder.create();
    for (let round = 0; round < 20; round++) {
      const quick = await start(folder, ['sh', '-c', 'echo no >&2; exit 1', '60.5']).catch(
        (error: unknown) => error,
      );
      if (quick instanceof DetachedProcess) {
        await quick.exited(soon());
        expect(await quick.isAlive()).toBe(false);
        expect(await quick.logTail()).toBe('no');
      } else {
        expect(quick).toMatchObject({ kind: 'io', detail: { lastWords: 'no' } });
      }
    }
  });

  it('is not taken for another that has its pid now', async () => {
    await using folder = await Folder.create();
    const started = await start(folder, ['sleep', '61.5']);
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => started.terminate(1_000, soon()));
    // The pid file of a process that has long ended, whose pid was given to this test.
    await writeFile(join(folder.path, 'pid'), JSON.stringify({ ...started.identity, pid: process.pid }));
    const adopted = await adopt(folder, '62.5');
    expect(adopted).toBeUndefined();
    await writeFile(join(folder.path, 'pid'), JSON.stringify({ ...started.identity, startTicks: '1' }));
    expect((await adopt(folder, '61.5'))?.identity).toEqual(started.identity);
  });

  it('is found by its command line when its starter died before it wrote the pid file, or in the middle', async () => {
    await using folder = await Folder.create();
    const started = await start(folder, ['sleep', '63.5']);
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => started.terminate(1_000, soon()));
    await started.forget();
    expect((await adopt(folder, '63.5'))?.pid).toBe(started.pid);
    await writeFile(join(folder.path, 'pid'), '{"format":1,"pi');
    expect((await adopt(folder, '63.5'))?.pid).toBe(started.pid);
  });

  it('outlives the process that started it, with its output in the log', async () => {
    await using folder = await Folder.create();
    const door = new URL('../../../host-plugins/system/process/detached-process.ts', import.meta.url).href;
    const script = `
      const { startDetached } = await import(${JSON.stringify(door)});
      const argv = ['sh', '-c', 'echo up; trap "echo ended; exit" TERM; while :; do sleep 0.05; done', '64.5'];
      const folder = ${JSON.stringify(folder.path)};
      await startDetached({ argv, logFile: folder + '/log', pidFile: folder + '/pid', marker: '64.5' }, AbortSignal.timeout(5000));
      process.kill(process.pid, 'SIGKILL');`;
    const starter = run([process.execPath, '--input-type=module', '-e', script], {
      timeoutMs: 20_000,
      signal: never,
    });
    await expect(starter).rejects.toThrow('was killed by SIGKILL');
    const adopted = await adopt(folder, '64.5', 'sh');
    expect(await adopted?.isAlive()).toBe(true);
    const exited = adopted?.exited(soon());
    await adopted?.terminate(5_000, soon());
    await exited;
    expect(await adopted?.isAlive()).toBe(false);
    expect(await adopted?.logTail()).toBe('up\nended');
  });

  it('that ignores SIGTERM is killed after its grace', async () => {
    await using folder = await Folder.create();
    const stubborn = await start(folder, [
      'sh',
      '-c',
      'trap "" TERM; echo up; while :; do sleep 0.05; done',
      '65.5',
    ]);
    await stubborn.terminate(100, soon());
    expect(await stubborn.isAlive()).toBe(false);
    expect(await adopt(folder, '65.5', 'sh')).toBeUndefined();
  });

  it('waited for by one who gives up is left alone', async () => {
    await using folder = await Folder.create();
    const started = await start(folder, ['sleep', '66.5']);
    await expect(started.exited(soon(50))).rejects.toMatchObject({ kind: 'timeout' });
    expect(await started.isAlive()).toBe(true);
    await started.terminate(1_000, soon());
  });
});

function start(folder: Folder, argv: string[]): Promise<DetachedProcess> {
  const marker = argv.at(-1) ?? '';
  return startDetached(
    { argv, logFile: join(folder.path, 'log'), pidFile: join(folder.path, 'pid'), marker },
    soon(),
  );
}

function adopt(folder: Folder, marker: string, program = 'sleep'): Promise<DetachedProcess | undefined> {
  return adoptDetached(
    { pidFile: join(folder.path, 'pid'), logFile: join(folder.path, 'log') },
    { program, marker },
  );
}
