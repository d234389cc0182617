import { join } from 'node:path';
import { build } from 'esbuild';

/** The verifying load as one file for the guest's Node, which knows no TypeScript. */
export async function bundleVerify(): Promise<Uint8Array> {
  const result = await build({
    entryPoints: [join(import.meta.dirname, '../verify/main.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  return (result.outputFiles[0] as { contents: Uint8Array }).contents;
}
