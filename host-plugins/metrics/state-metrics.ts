import type { WorkspaceStatus } from '../../protocol/control-methods.ts';
import type { MetricFamily } from './metric-text.ts';

const states: readonly WorkspaceStatus['state'][] = [
  'here',
  'stopped',
  'suspended',
  'away',
  'moving',
  'stuck',
];

/** What is asked for when it is read. */
export interface PresentState {
  readonly version: string;
  readonly workspaces: readonly Pick<WorkspaceStatus, 'state'>[];
  readonly devices: { readonly trusted: number; readonly connected: number };
  /** Of this process: bytes, CPU seconds, and when it started, seconds since 1970. */
  readonly process: {
    readonly residentBytes: number;
    readonly heapBytes: number;
    readonly cpuSeconds: number;
    readonly startedAtSeconds: number;
  };
}

export function stateMetrics({ version, workspaces, devices, process }: PresentState): MetricFamily[] {
  const gauge = (name: string, help: string, value: number, labels = {}): MetricFamily => ({
    name,
    help,
    type: 'gauge',
    samples: [{ labels, value }],
  });
  return [
    gauge('wdock_build_info', 'The version of wdockd.', 1, { version }),
    {
      name: 'wdock_workspaces',
      help: 'Workspaces that this device knows, by state; those that are here run here.',
      type: 'gauge',
      samples: states.map((state) => ({
        labels: { state },
        value: workspaces.filter((each) => each.state === state).length,
      })),
    },
    gauge('wdock_devices_trusted', 'Other devices that this one trusts.', devices.trusted),
    gauge('wdock_devices_connected', 'Trusted devices that there is a connection to.', devices.connected),
    gauge('process_resident_memory_bytes', 'Memory of wdockd, without its machines.', process.residentBytes),
    gauge('nodejs_heap_size_used_bytes', "Of this, JavaScript's objects.", process.heapBytes),
    {
      name: 'process_cpu_seconds_total',
      help: 'Processor time of wdockd, without its machines.',
      type: 'counter',
      samples: [{ labels: {}, value: process.cpuSeconds }],
    },
    gauge(
      'process_start_time_seconds',
      'When wdockd started, in seconds since 1970.',
      process.startedAtSeconds,
    ),
  ];
}
