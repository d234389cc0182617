import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Starts the program, and does this to it when it waits. Returns how it ended and what it said. */
async function interrupted(interrupt: (program: ReturnType<typeof start>) => void) {
  const program = start();
  let [stdout, stderr] = ['', ''];
  program.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout === '') interrupt(program);
    stdout += text;
  });
  program.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, killedBy] = (await once(program, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, killedBy, stdout, stderr };
}

function start() {
  return spawn(process.execPath, [join(import.meta.dirname, 'waiting-main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(30_000),
  });
}

describe('a program of the lab that is stopped', () => {
  it.each([
    ['SIGINT', 130, 'Ctrl-C'],
    ['SIGTERM', 143, 'SIGTERM'],
    ['SIGHUP', 129, 'SIGHUP'],
  ] as const)(
    'by %s ends what it has started, says so in one line, and ends with %i',
    async (name, status, by) => {
      expect(await interrupted((program) => program.kill(name))).toEqual({
        code: status,
        killedBy: null,
        stdout: 'ready\ncleaned up\n',
        stderr: `stopped by ${by}; all that was started has ended\n`,
      });
    },
  );

  it('takes one press of Ctrl-C that reaches it twice for one', async () => {
    const { code, stdout } = await interrupted((program) => {
      program.kill('SIGINT');
      program.kill('SIGINT');
    });
    expect({ code, stdout }).toEqual({ code: 130, stdout: 'ready\ncleaned up\n' });
  });

  it('by the end of whoever read its output ends what it has started', async () => {
    const { code, killedBy, stderr } = await interrupted((program) => {
      program.stdout.destroy();
      program.kill('SIGHUP');
    });
    expect({ code, killedBy, stderr }).toEqual({
      code: 129,
      killedBy: null,
      stderr: 'stopped by SIGHUP; all that was started has ended\n',
    });
  });
});
