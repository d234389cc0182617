import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 120_000 },
      },
      {
        // Real programs: on two cores, more of them at once only wait for each other.
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        // One guest at a time.
        test: {
          name: 'live',
          include: ['test/live/**/*.test.ts'],
          testTimeout: 15 * 60_000,
          hookTimeout: 15 * 60_000,
          fileParallelism: false,
        },
      },
      {
        // Debian as it is installed, twice: `npm run package:try`, as root; not a part of `npm test`.
        test: {
          name: 'packages',
          include: ['test/packages/**/*.test.ts'],
          testTimeout: 5 * 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
