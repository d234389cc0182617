import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../pairing/temporary-folder.ts';

const main = fileURLToPath(new URL('../../../host-plugins/cli/main.ts', import.meta.url));
type Output = 'pipe' | number;

function startProcess(args: readonly string[], out: Output = 'pipe', err: Output = 'pipe') {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', out, err] });
  const exit = once(child, 'exit') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const said = child.stderr === null ? Promise.resolve('') : text(child.stderr);
  return { child, ended: Promise.all([exit, said]).then(([[code], err]) => ({ code, err })) };
}

describe('output that cannot be written', () => {
  it.each([[['help']], [['version']], [['--json', 'version']], [['policy', 'check', 'policies/mid.yaml']]])(
    'is a failure of %j, which says so',
    async (args) => {
      await using full = await open('/dev/full', 'w');
      const { code, err } = await startProcess(args, full.fd).ended;
      expect(code).toBe(1);
      expect(err).toMatch(/^wdock: standard output cannot be written: ENOSPC/);
    },
  );

  it('leaves the exit code as it is where only messages are lost', async () => {
    await using full = await open('/dev/full', 'w');
    expect((await startProcess(['policy', 'check', '/nowhere.yaml'], 'pipe', full.fd).ended).code).toBe(3);
  });
});

describe('Ctrl-C', () => {
  it.each<[what: string, args: (fifo: string) => string[]]>([
    ['a policy that is checked', (fifo) => ['policy', 'check', fifo]],
    ['a certificate', (fifo) => ['devices', 'add', fifo, '--fingerprint', 'A1', '--address', 'pc']],
    ['the configuration', (fifo) => ['--config', fifo, 'status']],
    ['a pairing code', (fifo) => ['pair', 'pad', '--address', 'pad', '--code-file', fifo]],
  ])('ends wdock while it reads %s from a FIFO that brings nothing', async (_what, args) => {
    await using folder = await temporaryFolder();
    const fifo = join(folder.path, 'fifo');
    await promisify(execFile)('mkfifo', [fifo]);
    const { child, ended } = startProcess(args(fifo));
    // It is there as soon as wdock reads.
    await using _writer = await open(fifo, 'w');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130 });
  });
});

it('a policy may come through a FIFO', async () => {
  await using folder = await temporaryFolder();
  const fifo = join(folder.path, 'fifo');
  await promisify(execFile)('mkfifo', [fifo]);
  const { ended } = startProcess(['policy', 'check', fifo]);
  await writeFile(fifo, 'version: 1\n');
  expect((await ended).code).toBe(0);
});
