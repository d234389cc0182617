import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { run } from '../process/run.ts';

export const SystemFacts = z.strictObject({
  cpus: z.strictObject({ logical: z.int().min(1), model: z.string() }),
  totalMiB: z.int().min(1),
});
export type SystemFacts = z.infer<typeof SystemFacts>;

const limitMs = 15_000;

/**
 * What does not change while the computer runs. In a child process: systeminformation waits for programs of its
 * own synchronously, which would stop QMP and migration control.
 */
export async function readSystemFacts(signal: AbortSignal): Promise<SystemFacts> {
  // as a source in the work tree, as a bundle in the package, in either case beside this file
  const child = new URL(`./print-system-facts${extname(import.meta.url)}`, import.meta.url);
  const { stdout } = await run([process.execPath, fileURLToPath(child)], { timeoutMs: limitMs, signal });
  return SystemFacts.parse(JSON.parse(stdout));
}
