import { join } from 'node:path';
import { build } from 'esbuild';
import type { KeyedFile } from '../cache/cache-key.ts';

/** The lab's programs in the guest: what each is called there, and where its source is. */
const programs = {
  'verify.mjs': '../verify/main.ts',
  'peer.mjs': '../traffic/guest-main.ts',
  'loads.mjs': '../loads/guest-main.ts',
};

/** Each program as one file for the guest's Node, which knows no TypeScript. */
export async function bundleGuestPrograms(): Promise<KeyedFile[]> {
  return await Promise.all(
    Object.entries(programs).map(async ([path, source]) => {
      const result = await build({
        entryPoints: [join(import.meta.dirname, source)],
        bundle: true,
        write: false,
        platform: 'node',
        format: 'esm',
        target: 'node20',
      });
      const { contents } = result.outputFiles[0] as { contents: Uint8Array };
      return { path, executable: false, content: contents };
    }),
  );
}
