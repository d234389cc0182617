import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';
import { controlSocket, jsonLines, startWdock } from './wdock-fixture.ts';

describe('wdock without wdockd', () => {
  it.each([
    ['there is no socket', undefined],
    ['a socket was left by a dead one', ''],
  ])('says how to start it, and exits with 5, when %s', async (_what, content) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'wdockd.sock');
    if (content !== undefined) await writeFile(path, content);
    const { exit, out, err } = await startWdock(['--socket', path, 'status']).ended;
    expect({ exit, out }).toEqual({ exit: 5, out: '' });
    expect(err).toMatch(/^wdock: wdockd does not run .*systemctl start wdockd/);
  });

  it('tells programs the same as an object', async () => {
    const { exit, out } = await startWdock(['--socket', '/nowhere/s', '--json', 'workspace', 'list']).ended;
    expect(exit).toBe(5);
    expect(jsonLines(out)).toMatchObject([{ error: { kind: 'peer-gone', detail: { end: 'wdockd' } } }]);
  });

  it('still examines the host', async () => {
    const { exit, out } = await startWdock(['--socket', '/nowhere/s', 'doctor']).ended;
    expect(exit).toBe(5);
    expect(out).toMatch(/^ok +node/m);
    expect(out).toMatch(/^failed +wdockd +wdockd does not run/m);
  });

  it('takes the socket from the configuration that it is given', async () => {
    await using folder = await temporaryFolder();
    const config = join(folder.path, 'wdockd.yaml');
    await writeFile(config, 'device: {class: mid}\nruntimeFolder: here\n');
    const { err } = await startWdock(['--config', config, 'status']).ended;
    expect(err).toContain(join(folder.path, 'here', 'wdockd.sock'));
  });
});

describe('a wrong command line', () => {
  it.each([
    [['dokc'], /unknown command 'dokc'; did you mean dock\?/],
    [['trust', 'pc', 'owned'], /unknown command 'trust'; did you mean devices trust\?/],
    [['bogus'], /^error: unknown command 'bogus'; known: status, dock, /],
    [['workspace', 'bogus'], /unknown command 'workspace bogus'; known: create, list, /],
    [['workspace', 'crate', 'w', '--disk', 'd'], /'workspace crate'; did you mean create\?/],
    [['workspace', 'list', 'w'], /too many arguments for 'workspace list': 'w'/],
    [['workspace', '--dsik'], /unknown option '--dsik'/],
    [['devices', 'trsut'], /'devices trsut'; did you mean trust\?/],
    [['policy', 'chekc'], /'policy chekc'; did you mean check\?/],
    [['help', 'bogus'], /unknown command 'bogus'/],
    [['help', 'workspace', 'bogus'], /unknown command 'workspace bogus'/],
    [['help', 'dock', 'pc'], /unknown command 'dock pc'\n/],
    [['dock'], /missing required argument 'target'/],
    [['dock', 'pc', 'tablet'], /too many arguments/],
    [['status', '--jsno'], /unknown option '--jsno'/],
    [['devices', 'add', 'x.pem'], /--fingerprint/],
    [['workspace', 'create', 'w'], /--disk/],
    [['workspace', 'create', 'w', '--disk', 'd', '--base-memory', '1.5'], /whole number/],
    [['workspace', 'create', 'w', '--disk', 'd', '--kernel', 'k'], /--initrd go together/],
    [['workspace', 'force-owner', 'w'], /--i-know-the-other-copy-is-gone/],
    [['policy', 'check'], /missing required argument/],
    [['policy', 'explain', '--policy', 'x.yaml'], /--policy needs --profile/],
  ])('%j is refused with 2, on standard error', async (args, message) => {
    const { exit, out, err } = await startWdock(['--socket', '/nowhere/s', ...args]).ended;
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toMatch(message);
  });

  it.each([
    [['bogus']],
    [['policy', 'check']],
    [['status', '--jsno']],
    [[]],
    [['help', 'bogus']],
    [['--config']],
  ])('%j is refused for programs with an object, too', async (args) => {
    const { exit, out, err } = await startWdock([...args, '--json']).ended;
    expect(exit).toBe(2);
    expect(jsonLines(out)).toMatchObject([{ error: { kind: 'usage' } }]);
    expect(err).not.toBe('');
  });

  it.each([['--device'], ['-w']])('explain of a profile file cannot be about %s, too', async (option) => {
    const args = ['policy', 'explain', '--profile', 'test/lab/profiles/mid.yaml', option, 'x'];
    const { exit, err } = await startWdock(args).ended;
    expect(exit).toBe(2);
    expect(err).toMatch(/asks wdockd, and --profile does without it/);
  });
});

it('the version is asked for by an option, too', async () => {
  expect(await startWdock(['--version']).ended).toMatchObject({
    exit: 0,
    out: expect.stringMatching(/^[\d.]+\n$/),
  });
  const [object] = jsonLines((await startWdock(['--json', '--version']).ended).out);
  expect(object).toMatchObject({ version: expect.any(String), node: process.version });
});

describe('help', () => {
  it.each([
    [['--help']],
    [['help', 'dock']],
    [['dock', '--help']],
    [['workspace', 'create', '-h']],
    [['help']],
  ])('%j goes to standard output, in 80 columns, with 0', async (args) => {
    const { exit, out, err } = await startWdock(args).ended;
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toMatch(/^Usage: wdock/);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each([
    [['help', 'workspace', 'create'], /--base-memory/],
    [['workspace', 'help', 'create'], /--base-memory/],
    [['help', 'devices', 'add'], /--fingerprint/],
  ])('%j is about that command', async (args, option) => {
    expect((await startWdock(args).ended).out).toMatch(option);
  });

  it('marks the options that a command cannot do without', async () => {
    const { out } = await startWdock(['devices', 'add', '--help']).ended;
    expect(out).toMatch(/--fingerprint <hex> [^-]*\(required\)/);
    expect(out).not.toMatch(/--name <name> [^-]*\(required\)/);
  });
});

describe('a command that wdockd refuses', () => {
  it.each([
    ['not-found', 3],
    ['does-not-fit', 4],
    ['conflict', 4],
    ['peer-gone', 6],
    ['internal', 1],
  ] as const)('for %s ends with %i and the reason, which cannot repaint the terminal', async (kind, code) => {
    await using daemon = await controlSocket({
      'workspace.start': async () => {
        throw new DockError(kind, 'because \u001b[31mof this');
      },
    });
    expect(await daemon.run('workspace', 'start', 'work')).toEqual({
      exit: code,
      out: '',
      err: 'wdock: because ?[31mof this\n',
    });
  });

  it('because this wdockd is older says so', async () => {
    await using daemon = await controlSocket({});
    const { exit, err } = await daemon.run('status');
    expect(exit).toBe(1);
    expect(err).toMatch(/no method "status".*older/);
  });
});

describe('a device that is only simulated', () => {
  const work = { name: 'work', homeDevice: 'mid', state: 'here', runsOn: 'mid', epoch: 1 } as const;
  const simulated = () =>
    controlSocket(
      {
        'workspace.list': async () => [work],
        'workspace.stop': async () => work,
        'devices.certificate': async () => ({ certificatePem: 'PEM\n', fingerprint: 'A1' }),
        doctor: async () => ({ checks: [], plugins: [] }),
      },
      true,
    );

  it.each([[['workspace', 'list']], [['workspace', 'stop', 'work']], [['doctor']]])(
    'is marked in what %j prints',
    async (args) => {
      await using daemon = await simulated();
      expect((await daemon.run(...args)).out).toContain('(simulated)');
      expect(jsonLines((await daemon.run('--json', ...args)).out)).toMatchObject([{ simulated: true }]);
    },
  );

  it('is marked beside a certificate, which stays a certificate', async () => {
    await using daemon = await simulated();
    const { out, err } = await daemon.run('devices', 'certificate');
    expect(out).toBe('PEM\n');
    expect(err).toContain('(simulated)');
  });

  it('that is real has no such mark', async () => {
    await using daemon = await controlSocket({ 'workspace.list': async () => [work] });
    expect((await daemon.run('workspace', 'list')).out).not.toContain('simulated');
    expect((await daemon.run('--json', 'workspace', 'list')).out).not.toContain('simulated');
  });
});

describe('wdock devices', () => {
  it('add takes the name from the certificate, and passes what the user compared', async () => {
    const asked: unknown[] = [];
    await using daemon = await controlSocket({
      'devices.add': async (params) => {
        asked.push(params);
        return { id: 'x', name: params.name, fingerprint: 'A', reachable: true, self: false };
      },
    });
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'pc.pem');
    const { certificatePem, id } = await generateIdentity('desk-pc');
    await writeFile(file, certificatePem);
    const { exit, out } = await daemon.run(
      'devices',
      'add',
      file,
      '--fingerprint',
      id,
      '--address',
      'pc.local',
    );
    expect(exit).toBe(0);
    expect(out).toMatch(/^desk-pc is trusted/);
    expect(asked).toEqual([{ name: 'desk-pc', certificatePem, fingerprint: id, address: 'pc.local' }]);
  });

  it('shows the links to each, with what they have carried', async () => {
    const pc = { id: 'x', name: 'pc', fingerprint: 'A', reachable: true, self: false };
    const links = [
      { local: '10.0.0.2', remote: '10.0.0.3', roundTripMs: 2.4, carriedBytes: 84_120_000 },
      { local: 'fd00::2', remote: 'fd00::3', carriedBytes: 0 },
    ];
    await using daemon = await controlSocket({ 'devices.list': async () => [{ ...pc, links }] });
    const { out } = await daemon.run('devices');
    expect(out.split('\n').slice(-3)).toEqual([
      'pc: linked from 10.0.0.2 to 10.0.0.3, answers within 3 ms, has carried 84.1 MB from here',
      'pc: linked from fd00::2 to fd00::3, has carried 0 B from here',
      '',
    ]);
  });

  it.each([[['trust', 'mid', 'owned']], [['forget', 'mid']]])(
    '%j of the device itself says that it is this one',
    async (args) => {
      const unknown = async () => {
        throw new DockError('not-found', 'no device "mid" is known here');
      };
      await using daemon = await controlSocket({ 'devices.trust': unknown, 'devices.forget': unknown });
      const { exit, err } = await daemon.run('devices', ...args);
      expect(exit).toBe(2);
      expect(err).toContain('mid is this device itself');
    },
  );

  it('add of a file that is not there ends with 3', async () => {
    const { exit, err } = await startWdock(
      ['devices', 'add', '/nowhere.pem', '--fingerprint', 'x', '--address', 'y'],
      {},
    ).ended;
    expect(exit).toBe(3);
    expect(err).toContain('/nowhere.pem');
  });
});

describe('wdock policy', () => {
  it('check names file, line and column of each mistake, checks the other files, and ends with 2', async () => {
    await using folder = await temporaryFolder();
    const bad = join(folder.path, 'bad.yaml');
    await writeFile(bad, 'version: 1\nmemmory:\n  share: 50%\n');
    const { exit, out, err } = await startWdock(['policy', 'check', 'policies/mid.yaml', bad]).ended;
    expect(exit).toBe(2);
    expect(out).toBe('policies/mid.yaml: good\n');
    expect(err).toContain(`${bad}:2:1: memmory: unknown key; did you mean "memory"`);
    const json = jsonLines((await startWdock(['--json', 'policy', 'check', bad]).ended).out);
    expect(json).toMatchObject([{ files: [{ file: bad, ok: false, faults: [{ line: 2, column: 1 }] }] }]);
  });

  it('check shows every mistake, however many there are', async () => {
    await using folder = await temporaryFolder();
    const bad = join(folder.path, 'bad.yaml');
    await writeFile(bad, `version: 1\n${Array.from({ length: 12 }, (_, at) => `key${at}: 1\n`).join('')}`);
    const { err } = await startWdock(['policy', 'check', bad]).ended;
    expect(err.match(/key\d+: unknown key/g)).toHaveLength(12);
    expect(err).not.toContain('more');
  });

  it('check cannot have the terminal repainted by a file', async () => {
    await using folder = await temporaryFolder();
    const bad = join(folder.path, 'bad.yaml');
    await writeFile(bad, 'version: 1\n"mem\\e[31mory": 1\nmemory: { share: "\\e]0;pwn\\a" }\n');
    const { err } = await startWdock(['policy', 'check', bad]).ended;
    expect(err).toContain('mem?[31mory');
    expect(err).toContain('found "?]0;pwn?"');
    expect(err).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  it.each([
    ['is not there', '/nowhere.yaml', 3],
    ['is a folder', 'policies', 1],
    ['never ends', '/dev/zero', 2],
  ])('ends with the same code for a file that %s, checked or explained: %s %i', async (_what, file, code) => {
    const profile = ['--profile', 'test/lab/profiles/mid.yaml'];
    expect((await startWdock(['policy', 'check', file]).ended).exit).toBe(code);
    expect((await startWdock(['policy', 'explain', ...profile, '--policy', file]).ended).exit).toBe(code);
  });

  it('explain takes a profile that leaves out addresses, as wdockd does', async () => {
    await using folder = await temporaryFolder();
    const profile = join(folder.path, 'p.yaml');
    const text = await readFile('test/lab/profiles/mid.yaml', 'utf8');
    await writeFile(profile, text.replace(/^ *addresses:.*\n/m, ''));
    expect((await startWdock(['policy', 'explain', '--profile', profile]).ended).exit).toBe(0);
  });

  it('explain has its reasons in a column where the output is no terminal', async () => {
    const { out } = await startWdock(['policy', 'explain', '--profile', 'test/lab/profiles/mid.yaml']).ended;
    expect(out).toMatch(/^WHAT +VALUE +RULE +BECAUSE$/m);
  });

  it('explain marks a simulated profile, and needs no wdockd', async () => {
    const { exit, out } = await startWdock(['policy', 'explain', '--profile', 'test/lab/profiles/mid.yaml'])
      .ended;
    expect(exit).toBe(0);
    expect(out).toMatch(/^mid \(simulated\): 1 CPU, 1.0 GiB/);
    expect(out).toMatch(/mid\.yaml:\d+ memory/);
  });

  it('explain says what is wrong with a profile', async () => {
    await using folder = await temporaryFolder();
    const profile = join(folder.path, 'p.yaml');
    await writeFile(profile, 'deviceClass: phone\n');
    const { exit, err } = await startWdock(['policy', 'explain', '--profile', profile]).ended;
    expect(exit).toBe(2);
    expect(err).toContain(`${profile}:1:1: cpus: is missing`);
  });
});
