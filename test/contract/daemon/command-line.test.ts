import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { version } from '../../../host-plugins/daemon/version.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { Running } from './processes.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes, on a machine that may be busy

const main = fileURLToPath(new URL('../../../host-plugins/daemon/main.ts', import.meta.url));
const wdockd = (...args: string[]) => new Running([process.execPath, main, ...args]).ended;

it.each([
  [['--bogus'], 2, /Unknown option '--bogus'/],
  [['extra'], 2, /positional/],
  [['--config', '/nowhere.yaml'], 1, /there is no configuration \/nowhere\.yaml.*\n.*\n.*class: laptop/],
] as const)('wdockd %j ends with %i and says why', async (args, code, message) => {
  const { exit, out, err } = await wdockd(...args);
  expect({ exit, out }).toEqual({ exit: code, out: '' });
  expect(err).toMatch(message);
});

it('wdockd --check-config names file, line and column, and starts nothing', async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, 'wdockd.yaml');
  await writeFile(config, 'device:\n  clas: mid\n');
  const wrong = await wdockd('--check-config', '--config', config);
  expect(wrong.exit).toBe(1);
  expect(wrong.err).toContain(`${config}:2:3: device.clas: unknown key; did you mean "class"`);
  await writeFile(config, 'device:\n  class: mid\n');
  expect(await wdockd('--check-config', '--config', config)).toEqual({ exit: 0, out: '', err: '' });
});

it.each([
  ['profile: nope.yaml\n', /the profile .*nope\.yaml cannot be read/],
  ['policies: [nowhere]\n', /policies: there is no folder .*nowhere; make it/],
])('wdockd --check-config refuses what it could not work with: %j', async (line, message) => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, 'wdockd.yaml');
  await writeFile(config, `device: {class: mid}\n${line}`);
  const { exit, err } = await wdockd('--check-config', '--config', config);
  expect(exit).toBe(1);
  expect(err).toMatch(message);
});

it('wdockd does not start to play a device whose profile is not there, and its log says so', async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, 'wdockd.yaml');
  await writeFile(
    config,
    'device: {class: mid}\nprofile: nope.yaml\nstateFolder: state\nruntimeFolder: run\nlisten: {port: 0}\n',
  );
  const { exit, err } = await wdockd('--config', config);
  expect(exit).toBe(1);
  expect(err).toMatch(/the profile .*nope\.yaml cannot be read/);
  expect(await readFile(join(folder.path, 'state', 'log', 'wdockd.log'), 'utf8')).toContain(
    'could not start',
  );
});

it.each([
  ['--help', /^wdockd .*\n\nusage: wdockd/],
  ['--version', new RegExp(`^${version}\n$`)],
])('wdockd %s goes to standard output, with 0', async (option, expected) => {
  const { exit, out, err } = await wdockd(option);
  expect({ exit, err }).toEqual({ exit: 0, err: '' });
  expect(out).toMatch(expected);
});
