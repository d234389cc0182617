import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';
import { loadPlainIdentity } from './plain-identity.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('the identity of a device', () => {
  it.each(['device.key', 'device.crt'])('is not replaced silently when %s is missing', async (file) => {
    await using folder = await temporaryFolder();
    await loadPlainIdentity(folder.path, 'mid');
    await rm(join(folder.path, 'identity', file));
    await expect(loadPlainIdentity(folder.path, 'mid')).rejects.toMatchObject({ kind: 'config-invalid' });
    expect(await readdir(join(folder.path, 'identity'))).toHaveLength(1);
  });

  it('is refused when the key belongs to another certificate', async () => {
    await using folder = await temporaryFolder();
    await loadPlainIdentity(folder.path, 'mid');
    const other = await generateIdentity('mid');
    await writeFile(join(folder.path, 'identity', 'device.key'), other.privateKeyPem);
    await expect(loadPlainIdentity(folder.path, 'mid')).rejects.toMatchObject({
      kind: 'config-invalid',
      message: /is not the key of/,
    });
  });

  it('is refused when a file is cut off', async () => {
    await using folder = await temporaryFolder();
    await loadPlainIdentity(folder.path, 'mid');
    const path = join(folder.path, 'identity', 'device.crt');
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 100));
    await expect(loadPlainIdentity(folder.path, 'mid')).rejects.toMatchObject({ kind: 'config-invalid' });
  });

  it('is made once, and stays the same', async () => {
    await using folder = await temporaryFolder();
    const first = await loadPlainIdentity(folder.path, 'mid');
    expect(await loadPlainIdentity(folder.path, 'renamed')).toEqual(first);
  });

  it('lets nobody else read the key, also after somebody loosened it', async () => {
    await using folder = await temporaryFolder();
    await loadPlainIdentity(folder.path, 'mid');
    const key = join(folder.path, 'identity', 'device.key');
    const mode = async () => ((await stat(key)).mode & 0o777).toString(8);
    expect(await mode()).toBe('600');
    await chmod(key, 0o644);
    await loadPlainIdentity(folder.path, 'mid');
    expect(await mode()).toBe('600');
  });

  it('leaves nothing half-made behind', async () => {
    await using folder = await temporaryFolder();
    await loadPlainIdentity(folder.path, 'mid');
    expect(await readdir(folder.path)).toEqual(['identity']);
  });
});
