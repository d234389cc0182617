import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireVisitorKernel } from '../../../host-plugins/visit/require-visitor-kernel.ts';

async function files() {
  const folder = await mkdtemp(join(tmpdir(), 'wdock-kernels-'));
  const path = (name: string) => join(folder, name);
  for (const name of ['boot', 'secret']) await mkdir(path(name));
  await writeFile(path('boot/vmlinuz'), '');
  await writeFile(path('secret/key'), '');
  await symlink(path('secret/key'), path('boot/link'));
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

describe("the kernel of somebody else's machine", () => {
  it.each(['secret/key', 'boot/link', 'boot/../secret/key'])('is refused where it is %s', async (name) => {
    await using at = await files();
    await expect(requireVisitorKernel([at.path(name)], [at.path('boot')])).rejects.toMatchObject({
      kind: 'peer-refused',
    });
  });

  it('is refused in a folder whose name only begins like an allowed one', async () => {
    await using at = await files();
    await mkdir(at.path('boot-of-others'));
    await writeFile(at.path('boot-of-others/vmlinuz'), '');
    await expect(
      requireVisitorKernel([at.path('boot-of-others/vmlinuz')], [at.path('boot')]),
    ).rejects.toMatchObject({ kind: 'peer-refused' });
  });

  it('has to be there', async () => {
    await using at = await files();
    await expect(requireVisitorKernel([at.path('boot/none')], [at.path('boot')])).rejects.toMatchObject({
      kind: 'missing-dependency',
    });
  });

  it('is taken from a folder that the owner names', async () => {
    await using at = await files();
    await requireVisitorKernel([at.path('boot/vmlinuz')], [at.path('boot')]);
  });
});
