import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { compiledCode } from './test/lab/cache/compiled-code.ts';

const cores = availableParallelism();
/** What is waited for comes, or the test's own limit ends it: on a busy machine a second is nothing. */
const patient = { poll: { timeout: 60_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        // No state but their own: modules are loaded once for each worker. One file takes as long as half of the others.
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 120_000,
          expect: patient,
          isolate: false,
          maxWorkers: Math.max(2, cores),
        },
      },
      {
        // Real programs, which mostly wait; on few cores more of them at once than there are cores.
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: patient,
          env: compiledCode,
          isolate: false,
          maxWorkers: Math.max(5, cores + 1),
        },
      },
      {
        // A pair of hosts and its emulated guest keep two cores busy.
        test: {
          name: 'live',
          include: ['test/live/**/*.test.ts'],
          testTimeout: 15 * 60_000,
          expect: patient,
          env: compiledCode,
          hookTimeout: 15 * 60_000,
          maxWorkers: Math.max(1, Math.floor(cores / 2)),
        },
      },
    ],
  },
});
