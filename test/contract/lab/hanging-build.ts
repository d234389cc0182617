// Begins a cached build that never ends, for a test to kill. Says "half" when half of the result is there.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedBuild } from '../../lab/cache/cached-build.ts';

const [cache = '', key = ''] = process.argv.slice(2);
await cachedBuild(
  {
    title: 'a thing',
    kind: 'thing',
    key,
    neededMiB: 1,
    build: async (folder) => {
      await writeFile(join(folder, 'first-half'), 'x');
      process.stdout.write('half\n');
      await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    },
  },
  cache,
  () => undefined,
  AbortSignal.timeout(3_600_000),
);
