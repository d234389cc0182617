import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import {
  deviceShape,
  managerShape,
  tripShape,
  workspaceShape,
} from '../../../host-plugins/host-bus/host-shapes.ts';
import type { InterfaceShape } from '../../../host-plugins/system/dbus/dbus-interface.ts';

const project = new URL('../../../', import.meta.url);
const read = (name: string) => readFile(new URL(name, project), 'utf8');

const shapes: InterfaceShape[] = [managerShape, deviceShape, workspaceShape, tripShape];

it.each(shapes)('docs/dbus-api.md has all of $name', async (shape) => {
  const guide = await read('docs/dbus-api.md');
  const begin = guide.search(new RegExp(`^## .*: ${shape.name.replaceAll('.', '\\.')}$`, 'm'));
  const section = guide.slice(begin, guide.indexOf('\n## ', begin));
  for (const name of Object.keys(shape.properties)) expect(section).toContain(`\`${name}\``);
  for (const [name, method] of Object.entries(shape.methods)) {
    const args = method.in.map(([argument, type]) => `${type} ${argument}`).join(', ');
    expect(section).toContain(`\`${name}(${args})\``);
  }
  for (const [name, args] of Object.entries(shape.signals))
    expect(section).toContain(
      `signal \`${name}(${args.map(([arg, type]) => `${type} ${arg}`).join(', ')})\``,
    );
});

it('the policy file of polkit, its documentation and the bus agree on the actions', async () => {
  const policy = await read('packaging/host/org.wirelessdock.policy');
  const guide = await read('docs/dbus-api.md');
  const actions = [...policy.matchAll(/<action id="(.*)">/g)].map(([, id]) => id);
  expect(actions).toEqual(['dock', 'manage', 'pair', 'force'].map((action) => `org.wirelessdock.${action}`));
  for (const action of actions) expect(guide).toContain(`| \`${action}\` |`);
});

it('the policy file of the bus lets everybody call every interface that there is', async () => {
  const policy = await read('packaging/host/org.wirelessdock.Host1.conf');
  for (const { name } of shapes) expect(policy).toContain(`send_interface="${name}"`);
});
