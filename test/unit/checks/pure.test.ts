import { describe, expect, it } from 'vitest';
import { PlantedTree } from './planted-tree.ts';

describe('npm run check:pure', () => {
  it('turns red for a pure file that reaches for the machine, directly or by a file that it imports', async () => {
    await using tree = await PlantedTree.copy();
    await tree.plant('guest-agent/decide/planted-process.ts', 'export const planted = process.env;\n');
    await tree.plant('policies/choose/planted-timer.ts', 'setTimeout(() => undefined, 1);\n');
    await tree.plant('protocol/planted-console.ts', "console.log('planted');\n");
    await tree.plant(
      'policies/language/planted-indirect.ts',
      "import { planted } from '../../host-plugins/planted-read.ts';\nexport const indirect = planted;\n",
    );
    await tree.plant(
      'host-plugins/planted-read.ts',
      "import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n",
    );
    const { code, output } = await tree.run('tsc', '-p', 'tsconfig.pure.json');
    expect(code).not.toBe(0);
    expect(output).toMatch(/planted-process\.ts.*'process'/u);
    expect(output).toMatch(/planted-timer\.ts.*'setTimeout'/u);
    expect(output).toMatch(/planted-console\.ts.*'console'/u);
    expect(output).toMatch(/planted-read\.ts.*'node:fs'/u);
  }, 60_000);
});
