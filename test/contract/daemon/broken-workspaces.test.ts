import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { typicalContract } from '../../../host-plugins/workspace/typical-contract.ts';
import type { Check, WorkspaceStatus } from '../../../protocol/control-methods.ts';
import { type WdockdFolder, wdockdFolder } from './processes.ts';

vi.setConfig({ testTimeout: 120_000 }); // each command is a process, on a machine that may be busy

const record = (name: string, changes: object = {}) =>
  JSON.stringify({
    format: 1,
    name,
    homeDevice: 'pc',
    contract: typicalContract,
    disk: { path: '', format: 'raw' },
    ...changes,
  });

/** What is wrong with each, and what its user has to read about it. */
const damages = {
  'bad-json': { 'record.json': '{"format": 1, "na', says: /record\.json is not a workspace record/ },
  'bad-format': { 'record.json': record('bad-format', { format: 99 }), says: /of this version \(format: / },
  'empty-record': { 'record.json': '', says: /it is empty/ },
  'no-record': { journal: 'something', says: /record\.json is missing, and its journal is not/ },
  'other-record': { 'record.json': record('good'), says: /is the record of another workspace, "good"/ },
  'bad-journal': {
    'record.json': record('bad-journal'),
    journal: 'something else',
    says: /journal is damaged: .* restart wdockd/,
  },
} as const;
type Broken = keyof typeof damages;
const names = Object.keys(damages) as Broken[];

/** A device with all of them, and with one that is good. */
async function damagedDevice(): Promise<WdockdFolder> {
  const device = await wdockdFolder('mid', { address: '127.0.0.1', port: 0 });
  await writeIn(device, 'good', { 'record.json': record('good') });
  for (const name of names) {
    const { says: _, ...files } = damages[name];
    await writeIn(device, name, files);
  }
  return device;
}

const folderOf = (device: WdockdFolder, name: string) => join(device.path, 'state', 'workspaces', name);

async function writeIn(device: WdockdFolder, name: string, files: Record<string, string>): Promise<void> {
  await mkdir(folderOf(device, name), { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await writeFile(join(folderOf(device, name), file), content);
  }
}

/** What the device has of a workspace that could not be read. */
async function filesOf(device: WdockdFolder, name: Broken): Promise<Record<string, string>> {
  const read: Record<string, string> = {};
  for (const file of ['record.json', 'journal']) {
    const content = await readFile(join(folderOf(device, name), file), 'utf8').catch(() => undefined);
    if (content !== undefined) read[file] = content;
  }
  return read;
}

/** The JSON that a command prints, whatever its exit code. */
async function asked<T>(device: WdockdFolder, ...args: string[]): Promise<T> {
  await using wdock = device.wdock('--json', ...args);
  return JSON.parse((await wdock.ended).out) as T;
}

async function started(device: WdockdFolder) {
  const wdockd = device.spawnShipped();
  await wdockd.printed('"msg":"ready"').catch(async (error: unknown) => {
    await wdockd[Symbol.asyncDispose]();
    throw error;
  });
  return wdockd;
}

type Workspaces = { readonly workspaces: readonly WorkspaceStatus[] };

describe('a workspace whose files cannot be read', () => {
  it('is shown everywhere with why and what to do, and every other one is served', async () => {
    await using device = await damagedDevice();
    await using _wdockd = await started(device);
    const { workspaces } = await asked<Workspaces>(device, 'workspace', 'list');
    expect(workspaces.map(({ name }) => name)).toEqual([...names, 'good'].sort());
    expect((await asked<Workspaces>(device, 'status')).workspaces).toEqual(workspaces);
    const { checks } = await asked<{ checks: readonly Check[] }>(device, 'doctor');
    for (const status of workspaces) {
      const shown = await asked<{ status: WorkspaceStatus }>(device, 'workspace', 'show', status.name);
      expect(shown.status).toEqual(status);
      if (status.name === 'good') expect(status.state).toBe('away');
      else {
        const { says } = damages[status.name as Broken];
        expect(status).toMatchObject({ state: 'broken', detail: expect.stringMatching(says) });
        expect(status.detail).toContain('restart wdockd');
        expect(checks).toContainEqual({
          name: `workspace ${status.name}`,
          state: 'failed',
          detail: `broken: ${status.detail}`,
        });
      }
    }
    await using forPeople = device.wdock('status');
    expect((await forPeople.ended).out).toMatch(/^bad-json +broken .*\n/m);
  });

  it('is refused for everything else with the same words, and nothing of it is written', async () => {
    await using device = await damagedDevice();
    await using _wdockd = await started(device);
    const disk = join(device.path, 'disk.raw');
    await writeFile(disk, Buffer.alloc(1024 * 1024));
    const { workspaces } = await asked<Workspaces>(device, 'workspace', 'list');
    for (const name of ['bad-format', 'bad-journal'] as const) {
      const detail = workspaces.find((each) => each.name === name)?.detail;
      for (const command of [
        ['workspace', 'create', name, '--disk', disk],
        ['workspace', 'start', name],
        ['workspace', 'stop', name],
        ['workspace', 'force-owner', name, '--i-know-the-other-copy-is-gone'],
        ['dock', 'pc', '-w', name],
        ['undock', '-w', name],
        ['cancel', '-w', name],
        ['policy', 'explain', '-w', name],
      ]) {
        await using wdock = device.wdock(...command);
        const { exit, err } = await wdock.ended;
        expect({ command, exit, err }).toMatchObject({
          exit: 4,
          err: expect.stringContaining(`the workspace "${name}" is broken: ${detail}`),
        });
      }
      const { says: _, ...files } = damages[name];
      expect(await filesOf(device, name)).toEqual(files);
    }
  });

  it('is a workspace again when its files have been put right and wdockd is started anew', async () => {
    await using device = await damagedDevice();
    {
      await using wdockd = await started(device);
      wdockd.kill('SIGTERM');
      await wdockd.ended;
    }
    await writeIn(device, 'bad-json', { 'record.json': record('bad-json') });
    await rm(join(folderOf(device, 'bad-journal'), 'journal'));
    await using _wdockd = await started(device);
    for (const name of ['bad-json', 'bad-journal']) {
      const { status } = await asked<{ status: WorkspaceStatus }>(device, 'workspace', 'show', name);
      expect(status).toMatchObject({ name, state: 'away' });
    }
  });
});

describe('making a workspace', () => {
  it('writes over no files that were put there meanwhile', async () => {
    await using device = await wdockdFolder('mid', { address: '127.0.0.1', port: 0 });
    await using _wdockd = await started(device);
    const disk = join(device.path, 'disk.raw');
    await writeFile(disk, Buffer.alloc(1024 * 1024));
    await writeIn(device, 'work', { 'record.json': 'precious' });
    await using wdock = device.wdock('workspace', 'create', 'work', '--disk', disk);
    expect(await wdock.ended).toMatchObject({
      exit: 4,
      err: expect.stringContaining('has the files of a workspace already; restart wdockd to use them'),
    });
    expect(await readFile(join(folderOf(device, 'work'), 'record.json'), 'utf8')).toBe('precious');
  });
});
