import { join } from 'node:path';

/**
 * For programs of this checkout that are started again and again: Node keeps there what it has compiled, types stripped, and
 * starts in half of the time (NODE_COMPILE_CACHE).
 */
export const compiledCode: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../../node_modules/.cache/compiled-code'),
};
