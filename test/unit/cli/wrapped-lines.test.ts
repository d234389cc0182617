import { describe, expect, it } from 'vitest';
import { renderDoctor } from '../../../host-plugins/cli/render/render-doctor.ts';
import { renderWorkspace, renderWorkspaces } from '../../../host-plugins/cli/render/render-status.ts';
import { hang } from '../../../host-plugins/cli/render/table.ts';
import type { PluginReport, WorkspaceStatus } from '../../../protocol/control-methods.ts';

const work = {
  name: 'work',
  homeDevice: 'mid',
  state: 'here',
  runsOn: 'pc',
  epoch: 10,
  guest: {
    agentVersion: '0.1.0',
    vcpus: 4,
    memoryMiB: 4812,
    network: 'bridged 10.77.0.50/24 fd00:77::50/128 fd00:77::5054:ff:fe77:50/64',
  },
} as const satisfies WorkspaceStatus;

const longest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

describe('a line that is longer than the terminal is wide', () => {
  it('stays as it is where the terminal is too narrow to wrap it, and where there is none', () => {
    const text = 'a sentence of several words';
    expect(hang('network  ', text, 30)).toBe(`network  ${text}`);
    expect(hang('network  ', text)).toBe(`network  ${text}`);
    expect(renderWorkspaces([work])).toContain('/64');
    expect(renderWorkspaces([work]).split('\n')).toHaveLength(2);
  });

  it('goes on below its own column', () => {
    expect(renderWorkspaces([work], 80)).toBe(
      [
        'WORKSPACE  STATE  RUNS ON  HOME  GUEST',
        'work       here   pc       mid   4 vCPUs, 4.7 GiB, bridged 10.77.0.50/24',
        '                                 fd00:77::50/128 fd00:77::5054:ff:fe77:50/64',
      ].join('\n'),
    );
    const detail = `the CPU ${'shows no virtualisation '.repeat(5)}`.trim();
    const checks = [{ name: 'accelerator', state: 'warning', detail, remedy: detail }] as const;
    const abilities = { hotplug: true, survivesMigration: true };
    const plugins: PluginReport[] = [{ resource: 'vcpu', abilities, can: [detail], cannot: [detail] }];
    const text = renderDoctor(checks, plugins, 60);
    expect(longest(text)).toBeLessThanOrEqual(60);
    expect(text).toContain('  cannot  the CPU shows');
  });
});

it('a workspace is shown with the end of its journal, and says how much came before', () => {
  const journal = Array.from({ length: 30 }, (_, at) => `entry ${at}`);
  const text = renderWorkspace({ status: work, record: null, journal });
  expect(text).toContain('hand-over journal (18 earlier entries with --json):\n  entry 18\n');
  expect(text).toMatch(/entry 29$/);
  expect(renderWorkspace({ status: work, record: null, journal: journal.slice(0, 3) })).toContain(
    'hand-over journal:\n  entry 0\n',
  );
});
