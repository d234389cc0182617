import { expect, it } from 'vitest';
import { devicePath, workspacePath } from '../../../host-plugins/host-bus/object-path.ts';

it('the path of a device is one that D-Bus takes, whatever its name is, and of no other name', () => {
  const names = ['pc', 'desk-pc', 'desk_pc', 'desk.pc', '7up', 'a_2d', 'a-', 'ü'];
  const paths = names.map(devicePath);
  for (const path of paths) expect(path).toMatch(/^(\/[A-Za-z0-9_]+)+$/);
  expect(new Set(paths).size).toBe(names.length);
});

it('is readable where the name is', () => {
  expect(workspacePath('work')).toBe('/org/wirelessdock/Host1/workspaces/work');
  expect(devicePath('desk-pc')).toBe('/org/wirelessdock/Host1/devices/desk_2dpc');
});
