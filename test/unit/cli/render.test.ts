import { describe, expect, it } from 'vitest';
import { renderLiveStage } from '../../../host-plugins/cli/progress/terminal-progress.ts';
import { formatBytes, formatDuration, formatMiB } from '../../../host-plugins/cli/render/quantities.ts';
import { renderDoctor } from '../../../host-plugins/cli/render/render-doctor.ts';
import { renderLogLine } from '../../../host-plugins/cli/render/render-log-line.ts';
import {
  renderStatus,
  renderWorkspaces,
  type Status,
} from '../../../host-plugins/cli/render/render-status.ts';
import { renderTrip } from '../../../host-plugins/cli/render/render-trip.ts';
import { printable } from '../../../host-plugins/cli/terminal.ts';
import type { AnchorStatus } from '../../../protocol/control-methods.ts';
import { docked } from './trip-outcome.ts';

describe('what comes from elsewhere', () => {
  it('cannot repaint the terminal', () => {
    expect(printable('a\u001b[2Jb\u0007c\rd\u202ee\u009bf\tg')).toBe('a?[2Jb?c?d?e?f?g');
  });

  it('keeps its lines and its letters', () => {
    expect(printable('größer\n→ ✔ 桌')).toBe('größer\n→ ✔ 桌');
  });
});

describe('an anchor', () => {
  const shown = (anchor: AnchorStatus): string =>
    renderWorkspaces([{ name: 'work', homeDevice: 'mid', state: 'here', epoch: 3, anchor }])
      .split('\n')
      .at(-1) ?? '';

  it('is shown with why it is not connected', () => {
    const anchor = {
      role: 'carries',
      device: 'mid',
      link: 'connecting',
      detail: '"mid" does not answer',
    } as const;
    expect(shown({ ...anchor, addresses: ['10.77.0.50', 'fd00:77::50'], connections: 1 })).toBe(
      'work: 10.77.0.50, fd00:77::50 are kept for it by mid, 1 connection, not connected ("mid" does not answer)',
    );
  });

  it('is shown where it is kept, with its end', () => {
    const until = '2026-05-01T08:00:00.000Z';
    expect(shown({ role: 'keeps', device: 'pc', link: 'connected', addresses: ['10.77.0.50'], until })).toBe(
      `work: 10.77.0.50 is kept here, and carried to pc, until ${until} at the latest`,
    );
  });
});

describe('the table of a trip', () => {
  it('shows before and after, the times and what came out short, in 80 columns', () => {
    const text = renderTrip(docked);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toMatchInlineSnapshot(`
      "docked work: mid -> pc (simulated), in 21.3 s

        inside the guest  before, on mid     after, on pc
        vCPUs             1                  4
        memory            742 MiB            4.6 GiB
        display           1024x600, scale 1  2560x1440, scale 1
        network           routed             bridged
        address           10.77.0.50/24      10.77.0.50/24
                                             fd00::50/64

        stood still  84 ms
        adapted      2.3 s after it ran on pc
        sent         61.4 MB, for 205.4 MB of memory and state
        stages       prepare 812 ms, transfer 17.5 s, hand-over 140 ms,
                     adapt 2.3 s, verify 95 ms, settle 61 ms

        One thing is not as asked:
        - memory: asked for 4914 MiB, is 4700 MiB
          the guest onlined no more within 20 s"
    `);
  });

  it('says so when the guest could not be read', () => {
    const text = renderTrip({ ...docked, downtimeMs: null, guest: { before: null, after: null } });
    expect(text).toContain('The agent in the guest did not answer');
    expect(text).toContain('stood still  unknown');
  });

  it('says so when only one side could be read', () => {
    expect(renderTrip({ ...docked, guest: { ...docked.guest, before: null } })).toContain('not read');
  });

  it('says that nothing is missing when nothing is', () => {
    expect(renderTrip({ ...docked, shortfalls: [] })).toContain('Everything is as the policy asks.');
  });

  it('does not call a real trip simulated', () => {
    expect(renderTrip({ ...docked, simulated: false })).not.toContain('simulated');
  });
});

describe('the line of a running stage', () => {
  const live = {
    stage: 'transfer',
    text: '212 MiB left',
    fraction: 0.471,
    elapsedMs: 8_200,
    frame: 3,
  } as const;

  it('never reaches the last column, however long its text', () => {
    for (const columns of [20, 40, 80, 132]) {
      const line = renderLiveStage({ ...live, text: 'x'.repeat(300) }, columns, true);
      expect(line.length).toBeLessThan(columns);
    }
  });

  it('has a bar where the fraction is known', () => {
    expect(renderLiveStage(live, 80, true)).toMatchInlineSnapshot(
      `"  ⠸ transfer      8.2 s  █████████░░░░░░░░░░░  47 %  212 MiB left"`,
    );
    expect(renderLiveStage(live, 80, false)).toMatchInlineSnapshot(
      `"  \\ transfer      8.2 s  #########...........  47 %  212 MiB left"`,
    );
  });

  it('shows no full bar and no 100 % before it is done', () => {
    const line = renderLiveStage({ ...live, fraction: 0.999 }, 80, false);
    expect(line).toContain('###.  99 %');
  });
});

describe('status', () => {
  const status: Status = {
    device: {
      id: 'a'.repeat(64),
      name: 'mid',
      fingerprint: 'AA',
      reachable: true,
      self: true,
      simulated: true,
    },
    version: '0.1.0',
    profile: {
      deviceClass: 'mid',
      simulated: true,
      cpus: { logical: 1, model: 'x' },
      memory: { totalMiB: 1024 },
      displays: [
        { name: 'LVDS-1', widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, internal: true },
      ],
      links: [{ name: 'wlan0', kind: 'wifi', canBridge: false, metered: false, addresses: [] }],
      power: { source: 'battery', percent: 76 },
      input: { touch: true, keyboard: false, pointer: false },
      disk: { freeMiB: 1000 },
    },
    workspaces: [
      {
        name: 'work',
        homeDevice: 'mid',
        state: 'stuck',
        epoch: 3,
        detail: 'the other device has it and does not answer; run `wdock status` there',
      },
    ],
    devices: [
      {
        id: 'b'.repeat(64),
        name: 'pc',
        fingerprint: 'BB',
        reachable: false,
        self: false,
        simulated: true,
        address: 'pc',
        trust: 'known',
      },
    ],
  };

  it('marks what is simulated, and says why a workspace is stuck', () => {
    expect(renderStatus(status)).toMatchInlineSnapshot(`
      "device:  mid, a mid (simulated)
      offers:  1 CPU, 1.0 GiB, 1024x600, wifi, battery 76 %
      wdockd:  0.1.0

      WORKSPACE  STATE  RUNS ON  HOME  GUEST
      work       stuck  -        mid   -
      work: the other device has it and does not answer; run \`wdock status\` there

      DEVICE  CLASS                      TRUST  ADDRESS  STATE
      pc      not known yet (simulated)  known  pc       not reachable"
    `);
  });
});

it('doctor shows what to do below what is wrong', () => {
  const text = renderDoctor(
    [
      { name: 'kvm', state: 'warning', detail: 'not usable', remedy: 'load the module kvm_intel' },
      { name: 'qemu', state: 'ok', detail: '10.0.2' },
    ],
    [
      {
        resource: 'network',
        abilities: { hotplug: true, survivesMigration: true },
        can: ['routed'],
        cannot: ['bridged: wlan0 is Wi-Fi'],
      },
    ],
  );
  expect(text).toMatchInlineSnapshot(`
    "warning  kvm   not usable
                   -> load the module kvm_intel
    ok       qemu  10.0.2

    network
      can     routed
      cannot  bridged: wlan0 is Wi-Fi"
  `);
});

it.each([
  ['not json at all', 'not json at all'],
  ['{"level":30}', '{"level":30}'],
])('a foreign line %s in the log is shown as it is', (line, expected) =>
  expect(renderLogLine(line)).toBe(expected),
);

it('a line of the log shows time, level, message, cause and facts', () => {
  const time = '2026-03-01T12:00:05.000Z';
  const line = { level: 'error', time, device: 'mid', peer: 'pc', err: { message: 'cable' }, msg: 'lost' };
  expect(renderLogLine(JSON.stringify(line))).toMatch(/^\d\d:\d\d:05 {2}error {2}lost: cable {2}peer=pc$/);
});

it.each([
  [formatMiB(742.4), '742 MiB'],
  [formatMiB(4700), '4.6 GiB'],
  [formatBytes(999), '999 B'],
  [formatBytes(205_431_808), '205.4 MB'],
  [formatBytes(2_500_000_000), '2.50 GB'],
  [formatDuration(12.4), '12 ms'],
  [formatDuration(4_250), '4.3 s'],
  [formatDuration(59_990), '60.0 s'],
  [formatDuration(65_000), '1 min 05 s'],
  [formatDuration(119_700), '2 min 00 s'],
])('%s is how %s is written', (actual, expected) => expect(actual).toBe(expected));
