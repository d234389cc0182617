import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPolicy, loadPolicyLayers } from '../../../policies/load-policies.ts';

let folder: string;
const signal = AbortSignal.timeout(60_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdock-policies-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const write = async (name: string, text: string) => {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
};

describe('loading policies', () => {
  it('fails where the file that a workspace names is not there', async () => {
    const workspaceFile = join(folder, 'gone.yaml');
    await expect(
      loadPolicyLayers({ folders: [], deviceClass: 'mid', workspaceFile }, signal),
    ).rejects.toMatchObject({ kind: 'not-found', message: expect.stringContaining(workspaceFile) });
  });

  it('fails with the place of the mistake in a file that overrides a shipped one', async () => {
    const path = await write('mid.yaml', 'version: 1\nvcpu: {}\n');
    await expect(loadPolicyLayers({ folders: [folder], deviceClass: 'mid' }, signal)).rejects.toMatchObject({
      kind: 'config-invalid',
      message: expect.stringContaining(`${path}:2:1`),
    });
  });

  it('fails where the file cannot be read as one', async () => {
    await expect(loadPolicy(folder, signal)).rejects.toMatchObject({ kind: 'io' });
  });

  it('stops when it is told to', async () => {
    await expect(loadPolicy(await write('a.yaml', 'version: 1'), AbortSignal.abort())).rejects.toThrow(
      /abort/i,
    );
  });

  it('does not look for a device outside of its folder', async () => {
    await write('secret.yaml', 'not: a policy');
    const layers = await loadPolicyLayers(
      { folders: [join(folder, 'policies')], deviceClass: 'mid', deviceName: '../../secret' },
      signal,
    );
    expect(layers.map(({ file }) => file)).toEqual(['mid.yaml']);
  });

  it('takes class, device and workspace in this order, the own ones before the shipped ones', async () => {
    const own = await write('desktop.yaml', 'version: 1\n');
    const device = await write('devices/office.yaml', 'version: 1\n');
    const workspaceFile = await write('work.yaml', 'version: 1\n');
    const layers = await loadPolicyLayers(
      { folders: [folder], deviceClass: 'desktop', deviceName: 'office', workspaceFile },
      signal,
    );
    expect(layers.map(({ file }) => file)).toEqual([own, device, workspaceFile]);
  });
});
