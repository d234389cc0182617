import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';

/**
 * A machine that boots a kernel directly names files of the host, and its guest can read them. So somebody else's machine
 * gets those of these folders and no others. Throws `peer-refused`, `missing-dependency` where there is no such file.
 */
export async function requireVisitorKernel(
  files: readonly string[],
  folders: readonly string[],
): Promise<void> {
  const allowed = await Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)));
  for (const file of files) {
    const path = await realpath(file).catch((cause: unknown) => {
      throw new DockError(
        'missing-dependency',
        `the workspace boots from ${file}, which is not on this device`,
        { cause },
      );
    });
    if (allowed.some((folder) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep))) continue;
    throw new DockError(
      'peer-refused',
      `the workspace boots from ${file}; of other people's devices only kernels in ${folders.join(', ')} are taken ` +
        '(visitorKernels in wdockd.yaml)',
    );
  }
}
