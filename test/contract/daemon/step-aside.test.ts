import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const child = fileURLToPath(new URL('./step-aside-child.ts', import.meta.url));

interface NiceValues {
  readonly meanwhile: readonly number[];
  readonly afterwards: readonly number[];
  readonly program: number;
}

/** @param before programs that start it */
async function stepAside(...before: string[]): Promise<NiceValues> {
  const [program = '', ...args] = [...before, process.execPath, child, '300'];
  return JSON.parse((await promisify(execFile)(program, args)).stdout) as NiceValues;
}

describe.runIf(process.getuid?.() === 0)('wdockd that lets a VM go first', () => {
  it('does so with its main thread alone, and comes back', async () => {
    const { meanwhile, afterwards } = await stepAside();
    const [first, ...others] = meanwhile;
    expect(first).toBe(10);
    expect(others.length).toBeGreaterThan(0);
    expect(others.every((nice) => nice === 0)).toBe(true);
    expect(afterwards.every((nice) => nice === 0)).toBe(true);
  });

  it('starts no program with that priority, which it would keep', async () => {
    expect((await stepAside()).program).toBe(0);
  });

  it.each([
    ['without the capability', ['setpriv', '--bounding-set=-sys_nice']],
    ['with one that only counts in its user namespace', ['unshare', '--user', '--map-root-user']],
  ])('does not where it could not come back, %s', async (_, before) => {
    const { meanwhile } = await stepAside('prlimit', '--nice=0:0', ...before);
    expect(meanwhile.every((nice) => nice === 0)).toBe(true);
  });
});
