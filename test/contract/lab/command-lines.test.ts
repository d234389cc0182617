import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

const project = join(import.meta.dirname, '../../..');

async function run(program: string, args: readonly string[]) {
  const child = spawn(process.execPath, [join(project, program), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(30_000),
  });
  const exit = once(child, 'exit');
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { code: code as number | null, stdout, stderr };
}

/** What `npm run demo`, `bench`, `lab`, `explore` and `package` start. */
const programs = {
  demo: 'test/lab/demo/main.ts',
  bench: 'bench/main.ts',
  lab: 'test/lab/main.ts',
  explore: 'test/unit/hand-over/explore-main.ts',
  package: 'packaging/build.ts',
} as const;

describe('a program that npm starts', () => {
  it.each([
    ['demo', ['--bad'], 'usage: npm run demo'],
    ['demo', ['--trips', '0'], '--trips takes'],
    ['demo', ['--link', 'string'], '--link takes'],
    ['demo', ['--network', 'string'], '--network takes lan, two-lans'],
    ['demo', ['--json', '/nonexistent/x.json'], 'cannot be written to /nonexistent/x.json: ENOENT'],
    ['demo', ['--json', '/tmp'], 'cannot be written to /tmp: EISDIR'],
    ['bench', ['--bad'], 'usage: npm run bench'],
    ['bench', ['--runs', 'x'], '--runs takes'],
    ['lab', [], 'usage: npm run lab'],
    ['lab', ['sweeep'], 'no command "sweeep"'],
    ['lab', ['run', 'string'], 'a link is one of'],
    ['explore', ['--bad'], 'usage: npm run explore'],
    ['explore', ['--trips', '3'], '--trips takes'],
    ['package', ['--hepl'], 'usage: npm run package'],
    ['package', ['dist', 'dist2'], 'one folder'],
  ] as const)('ends with 2 and the reason, having done nothing: %s %j', async (name, args, reason) => {
    const { code, stdout, stderr } = await run(programs[name], args);
    expect(stderr).toContain(reason);
    expect(stderr).not.toContain('    at ');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it.each(Object.keys(programs) as (keyof typeof programs)[])(
    'tells %s --help how it is used',
    async (name) => {
      const { code, stdout, stderr } = await run(programs[name], ['--help']);
      expect(stdout).toContain('usage: ');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    },
  );
});
