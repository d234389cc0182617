import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DockError } from '../../../protocol/dock-error.ts';
import type { PresenceStatus } from '../../../protocol/presence.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';
import { controlSocket, jsonLines, startWdock } from './wdock-fixture.ts';

const traces = fileURLToPath(new URL('../presence/traces/', import.meta.url));
const simulate = (...args: string[]) => startWdock(['policy', 'simulate', ...args]).ended;

const near: PresenceStatus = {
  device: 'pc',
  workspace: 'work',
  state: 'near',
  why: 'link quality 92 %, at least 65 % (signal -54 dBm)',
  next: 'dock when that has lasted a while',
};
const asking: PresenceStatus = {
  ...near,
  question: { trip: 'dock', why: 'it is near', answerWithinMs: 48_000, until: 1_700_000_048_000 },
};

describe('wdock policy simulate', () => {
  it('refuses a trace with a mistake, with its place, and one that is not there', async () => {
    await using folder = await temporaryFolder();
    const trace = join(folder.path, 'trace.yaml');
    await writeFile(trace, 'trace: 1\nevents:\n  - { at: 1 s, power: none }\n');
    const wrong = await simulate(trace);
    expect(wrong).toMatchObject({ exit: 2, out: '' });
    expect(wrong.err).toContain(`${trace}:3:23: events[0].power: expected one of mains, battery`);
    expect(await simulate(`${trace}.old`)).toMatchObject({ exit: 3, out: '' });
  });

  it('refuses a policy with a mistake', async () => {
    await using folder = await temporaryFolder();
    const policy = join(folder.path, 'policy.yaml');
    await writeFile(policy, 'version: 1\ntriggers: { dock: always }\n');
    const { exit, err } = await simulate(`${traces}sitting-down.yaml`, '--policy', policy);
    expect(exit).toBe(2);
    expect(err).toContain('triggers.dock: expected one of never, ask, auto, found "always"');
  });

  it('only asks, with the shipped policy of the class', async () => {
    const { exit, out, err } = await simulate(`${traces}sitting-down.yaml`);
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toMatch(/^0:00:34\.0 {2}near +-> ask: dock\? +it is near$/m);
    expect(out).toContain('No trips by the rules.');
  });

  it('shows when, in which state, what and why, and the later policy wins', async () => {
    await using folder = await temporaryFolder();
    const slower = join(folder.path, 'slower.yaml');
    await writeFile(slower, 'version: 1\ntriggers: { nearFor: 1 min }\n');
    const { out } = await simulate(
      `${traces}sitting-down.yaml`,
      '--policy',
      `${traces}by-itself.policy.yaml`,
      slower,
    );
    expect(out).toMatch(/^0:00:14\.0 {2}near +near +link quality 66 %/m);
    expect(out).toMatch(/^0:01:14\.0 {2}near +-> dock +it is near$/m);
    expect(out).toContain('One trip by the rules.');
  });

  it('takes the rules that hold on battery while the trace is on battery', async () => {
    await using folder = await temporaryFolder();
    const [policy, trace] = [join(folder.path, 'policy.yaml'), join(folder.path, 'trace.yaml')];
    await writeFile(
      policy,
      'version: 1\ntriggers: { dock: auto }\nwhen:\n  - if: { power: battery }\n    triggers: { dock: never }\n',
    );
    await writeFile(
      trace,
      'trace: 1\nevents:\n  - { at: 0 s, power: battery }\n' +
        '  - { from: 1 s, to: 5 min, every: 1 s, link: { signal: -50 } }\n  - { at: 1 min, power: mains }\n',
    );
    const { out } = await simulate(trace, '--policy', policy, '--json');
    const [{ timeline }] = jsonLines(out) as [{ timeline: { atMs: number; kind: string; what: string }[] }];
    const decided = timeline.filter(({ kind }) => kind === 'decision');
    expect(decided).toMatchObject([{ what: 'dock', atMs: 80_000 }]);
  });
});

describe('wdock answer', () => {
  it('takes yes and no, and nothing else', async () => {
    expect(await startWdock(['answer', 'perhaps']).ended).toMatchObject({ exit: 2, out: '' });
  });

  it('says what was answered, or that nothing is asked', async () => {
    const asked: unknown[] = [];
    await using wdockd = await controlSocket({
      'presence.answer': async (params) => {
        asked.push(params);
        if (asked.length > 1) throw new DockError('conflict', 'nothing is asked');
        return asking;
      },
    });
    const { exit, out } = await wdockd.run('answer', 'yes', '--device', 'pc');
    expect({ exit, out }).toEqual({
      exit: 0,
      out: 'dock of work, pc: yes; it begins; `wdock watch` shows it.\n',
    });
    expect(asked).toEqual([{ answer: 'yes', device: 'pc' }]);
    expect(await wdockd.run('answer', 'no', '-w', 'work')).toMatchObject({ exit: 4 });
  });
});

describe('nearness', () => {
  it('and what is asked are in wdock devices, where something can tell', async () => {
    const device = { id: 'aa', name: 'pc', fingerprint: 'AA', reachable: true, self: false };
    await using wdockd = await controlSocket({
      'devices.list': async () => [{ ...device, presence: asking }],
    });
    const { out } = await wdockd.run('devices');
    expect(out).toMatch(/^DEVICE .* NEARNESS +STATE$/m);
    expect(out).toMatch(/^pc .* near +reachable$/m);
    expect(out).toContain('dock work to pc? it is near; wdock answer yes, or no, within 48.0 s');
  });

  it('is in wdock watch, with the reason and what comes next', async () => {
    await using wdockd = await controlSocket({
      watch: async (_params, { progress }) => {
        progress({ kind: 'presence', at: 0, status: near });
        return {};
      },
    });
    expect((await wdockd.run('watch')).out).toMatch(
      /^\d\d:\d\d:\d\d {2}pc {2}near: link quality 92 %.*; work: dock when that has lasted a while$/m,
    );
  });

  it('is in wdock triggers, above each rule with its file and line', async () => {
    const decision = {
      what: 'triggers.dock',
      value: 'ask',
      rule: 'mid.yaml:40 triggers.dock',
      because: 'so',
    };
    await using wdockd = await controlSocket({
      'presence.rules': async () => [{ status: near, decisions: [decision] }],
    });
    const { out } = await wdockd.run('triggers');
    expect(out).toMatch(/^pc {2}near: .*\n\nWHAT .*\ntriggers\.dock +ask +mid\.yaml:40 triggers\.dock +so$/m);
  });
});
