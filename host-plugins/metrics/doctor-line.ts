import type { Check } from '../../protocol/control-methods.ts';
import type { MetricsReport } from './metrics-server.ts';

/** For `wdock doctor`; nothing where they can be read, or were not asked for. */
export function checkMetrics({ problem }: MetricsReport): Check[] {
  if (problem === undefined) return [];
  const remedy = 'choose another port (metrics.listen in wdockd.yaml), and restart wdockd';
  return [{ name: 'metrics', state: 'warning', detail: problem, remedy }];
}
