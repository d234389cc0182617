import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  parseAnonymousKiB,
  parseCpuMs,
  readProcessUsage,
  readUsageOf,
} from '../../lab/verify/process-usage.ts';

describe('what a process holds and has used', () => {
  it('is refused where the kernel gives no sum of anonymous memory', () => {
    expect(() => parseAnonymousKiB('Rss:  100 kB\nAnonHugePages:  12 kB\n')).toThrow('Anonymous');
  });

  it('is refused where the process status is cut short', () => {
    expect(() => parseCpuMs('7 (node) S 1 7 7 0 -1 0 1 2 3 4 55')).toThrow('no times');
  });

  it('takes anonymous memory from its own line, not from one with a like name', () => {
    const text = 'Rss: 900 kB\nAnonymous:          13372 kB\nAnonHugePages:      2048 kB\n';
    expect(parseAnonymousKiB(text)).toBe(13_372);
  });

  it('counts user, system and waited-for children, whatever the program is called', () => {
    const times = [3, 4, 20, 10].join(' ');
    expect(parseCpuMs(`7 (a) S 1 (b) S 1 7 7 0 -1 4194560 100 200 0 0 ${times} 20 0 1 0 999`)).toBe(370);
  });

  it('is read of a living process, and grows with what the process does', async () => {
    // A process of its own: of this one, other tests take memory and give it back meanwhile.
    const program = `
      let kept;
      process.stdin.once('data', () => {
        kept = Buffer.alloc(256 * 1024 * 1024, 1);
        const endMs = performance.now() + 60;
        while (performance.now() < endMs) kept[0] += 1;
        process.stdout.write('done');
      });
      process.stdout.write('ready');`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      const before = readProcessUsage(child.pid as number);
      child.stdin.write('go');
      await once(child.stdout, 'data');
      const after = readProcessUsage(child.pid as number);
      expect(after.anonymousKiB - before.anonymousKiB).toBeGreaterThanOrEqual(256 * 1024);
      expect(after.cpuMs).toBeGreaterThan(before.cpuMs);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is found by an argument, and not by a part of one', () => {
    const [, script = ''] = readProcessUsage(process.pid).command;
    expect(readUsageOf(script).map(({ pid }) => pid)).toContain(process.pid);
    expect(readUsageOf(`${script}-which-nobody-has`)).toEqual([]);
  });
});
