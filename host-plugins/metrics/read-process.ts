import type { PresentState } from './state-metrics.ts';

/** What this process uses now. */
export function readProcess(): PresentState['process'] {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    cpuSeconds: (user + system) / 1e6,
    startedAtSeconds: Math.round(performance.timeOrigin) / 1000,
  };
}
