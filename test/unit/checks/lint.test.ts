import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlantedTree } from './planted-tree.ts';

const plants: readonly (readonly [mistake: string, rule: string, path: string, text: string])[] = [
  [
    'a promise that nobody waits for',
    '@typescript-eslint/no-floating-promises',
    'host-plugins/qemu/planted-floating.ts',
    "import { rm } from 'node:fs/promises';\nexport function planted(): void {\n  rm('/tmp/x');\n}\n",
  ],
  [
    'a promise given where it is not awaited',
    '@typescript-eslint/no-misused-promises',
    'host-plugins/qemu/planted-misused.ts',
    'export function planted(run: (done: () => void) => void): void {\n  run(async () => undefined);\n}\n',
  ],
  [
    'a case left out of a union',
    '@typescript-eslint/switch-exhaustiveness-check',
    'host-plugins/qemu/planted-switch.ts',
    "export function planted(link: 'up' | 'down'): void {\n  switch (link) {\n    case 'up':\n      return;\n  }\n}\n",
  ],
  [
    'any',
    '@typescript-eslint/no-explicit-any',
    'host-plugins/qemu/planted-any.ts',
    'export const planted = (value: any): unknown => value;\n',
  ],
  [
    'a decision that reads the clock',
    'no-restricted-properties',
    'guest-agent/decide/planted-clock.ts',
    'export const planted = (): number => Date.now();\n',
  ],
  [
    'a decision that makes a date of now',
    'no-restricted-syntax',
    'policies/choose/planted-date.ts',
    'export const planted = (): Date => new Date();\n',
  ],
  [
    'a decision by chance',
    'no-restricted-properties',
    'protocol/planted-chance.ts',
    'export const planted = (): number => Math.random();\n',
  ],
  [
    'a decision that waits',
    'no-restricted-syntax',
    'host-plugins/hand-over/step-planted.ts',
    'export const planted = async (): Promise<void> => undefined;\n',
  ],
  [
    'a library that prints',
    'no-console',
    'host-plugins/qemu/planted-console.ts',
    "export const planted = (): void => console.log('planted');\n",
  ],
  [
    'a function of systeminformation that is not on the list',
    'no-restricted-imports',
    'host-plugins/system/planted-versions.ts',
    "import { versions } from 'systeminformation';\nexport const planted = versions;\n",
  ],
  [
    'all of systeminformation',
    'no-restricted-imports',
    'host-plugins/system/planted-all.ts',
    "import * as information from 'systeminformation';\nexport const planted = information;\n",
  ],
];

interface Linted {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}

describe('npm run check:lint', () => {
  let tree: PlantedTree;
  let linted: readonly Linted[];

  beforeAll(async () => {
    tree = await PlantedTree.copy();
    for (const [, , path, text] of plants) await tree.plant(path, text);
    const { output } = await tree.run('eslint', '--format', 'json', ...plants.map(([, , path]) => path));
    linted = JSON.parse(output);
  }, 120_000);

  afterAll(async () => {
    await tree[Symbol.asyncDispose]();
  });

  it.each(plants)('turns red for %s (%s)', (_mistake, rule, path) => {
    const messages = linted.find(({ filePath }) => filePath.endsWith(`/${path}`))?.messages ?? [];
    expect(messages.map(({ ruleId }) => ruleId)).toContain(rule);
  });
});
