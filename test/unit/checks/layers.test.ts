import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlantedTree } from './planted-tree.ts';

const plants: readonly (readonly [mistake: string, rule: string, path: string, text: string])[] = [
  [
    'one plugin importing another',
    'plugins-are-strangers',
    'host-plugins/vcpu/planted.ts',
    "import { planMemory } from '../memory/plan.ts';\nexport const planted = planMemory;\n",
  ],
  [
    'one plugin taking a type from another',
    'plugins-are-strangers',
    'host-plugins/display/planted.ts',
    "import type { memoryPlugin } from '../memory/memory-plugin.ts';\nexport type Planted = typeof memoryPlugin;\n",
  ],
  [
    'dbus-next outside its door, in the agent',
    'one-door-to-dbus',
    'guest-agent/apply/planted.ts',
    "import dbus from 'dbus-next';\nexport const planted = dbus;\n",
  ],
  [
    'dbus-next on the host side',
    'one-door-to-dbus',
    'host-plugins/qemu/planted.ts',
    "import { Message } from 'dbus-next';\nexport const planted = Message;\n",
  ],
  [
    'inversify in domain code',
    'inversify-in-modules-only',
    'host-plugins/memory/planted.ts',
    "import { Container } from 'inversify';\nexport const planted = new Container();\n",
  ],
  [
    'a child process outside its door',
    'one-door-to-processes',
    'host-plugins/network/planted.ts',
    "import { spawn } from 'node:child_process';\nexport const planted = spawn;\n",
  ],
  [
    'the agent importing the host side',
    'agent-stays-in-the-guest',
    'guest-agent/decide/planted.ts',
    "import { qemuOption } from '../../host-plugins/qemu/qemu-option.ts';\nexport const planted = qemuOption;\n",
  ],
  [
    'protocol importing a policy',
    'protocol-is-the-ground',
    'protocol/planted.ts',
    "import { parsePolicy } from '../policies/language/parse-policy.ts';\nexport const planted = parsePolicy;\n",
  ],
  [
    'a policy importing the host side',
    'policies-know-the-nouns-only',
    'policies/choose/planted.ts',
    "import { qemuOption } from '../../host-plugins/qemu/qemu-option.ts';\nexport const planted = qemuOption;\n",
  ],
  [
    'a pure file reading files',
    'pure-stays-pure',
    'guest-agent/decide/planted-read.ts',
    "import { readFileSync } from 'node:fs';\nexport const planted = readFileSync;\n",
  ],
  [
    'a pure file using one that is not',
    'pure-stays-pure',
    'policies/language/planted.ts',
    "import { loadPolicies } from '../load-policies.ts';\nexport const planted = loadPolicies;\n",
  ],
  [
    'the hand-over knowing the daemon',
    'hand-over-stands-alone',
    'host-plugins/hand-over/planted.ts',
    "import { WatchHub } from '../daemon/watch-hub.ts';\nexport const planted = WatchHub;\n",
  ],
  [
    'what is shipped importing a test',
    'product-knows-no-tests',
    'host-plugins/pipeline/planted.ts',
    "import { PlantedTree } from '../../test/unit/checks/planted-tree.ts';\nexport const planted = PlantedTree;\n",
  ],
  [
    'a circle',
    'no-cycles',
    'host-plugins/system/planted-a.ts',
    "import { b } from './planted-b.ts';\nexport const a = (): unknown => b;\n",
  ],
  [
    'an import that leads nowhere',
    'unresolvable',
    'host-plugins/tunnel/planted.ts',
    "import { gone } from './gone.ts';\nexport const planted = gone;\n",
  ],
];

describe('npm run check:layers', () => {
  let tree: PlantedTree;
  let result: { readonly code: number; readonly output: string };

  beforeAll(async () => {
    tree = await PlantedTree.copy();
    for (const [, , path, text] of plants) await tree.plant(path, text);
    await tree.plant(
      'host-plugins/system/planted-b.ts',
      "import { a } from './planted-a.ts';\nexport const b = (): unknown => a;\n",
    );
    await tree.plant('test/unit/checks/planted-tree.ts', 'export const PlantedTree = 1;\n');
    const config = ['--config', '.dependency-cruiser.cjs', '--output-type', 'err'];
    result = await tree.run('depcruise', ...config, 'protocol', 'policies', 'host-plugins', 'guest-agent');
  }, 60_000);

  afterAll(async () => {
    await tree[Symbol.asyncDispose]();
  });

  it.each(plants)('turns red for %s (%s)', (_mistake, rule, path) => {
    expect(result.output).toContain(`error ${rule}: ${path} → `);
    expect(result.code).not.toBe(0);
  });
});
