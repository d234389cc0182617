import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const LockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({ integrity: z.string().optional(), resolved: z.string().optional() }),
  ),
});

describe('the lock file', () => {
  // Whoever installs on another platform gets other packages, and has to get the right ones, too.
  it('has the checksum of every package, of those for other platforms as well, and names no registry', async () => {
    const text = await readFile(join(import.meta.dirname, '../../../package-lock.json'), 'utf8');
    const { '': project, ...packages } = LockFile.parse(JSON.parse(text)).packages;
    expect(project).toBeDefined();
    const wrong = Object.entries(packages).filter(
      ([, { integrity, resolved }]) => !integrity?.startsWith('sha512-') || resolved !== undefined,
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });
});
