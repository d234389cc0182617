/** Every figure of a run, in the order in which they are shown. */
export const metrics = {
  agentSystemKiB: { group: 'agent, idle', title: 'anonymous memory, service', unit: 'MiB', scale: 1024 },
  agentSessionKiB: { group: 'agent, idle', title: 'anonymous memory, helper', unit: 'MiB', scale: 1024 },
  agentKiB: { group: 'agent, idle', title: 'anonymous memory, both', unit: 'MiB', scale: 1024 },
  agentCpuMsPerMinute: { group: 'agent, idle', title: 'CPU time per minute, both', unit: 'ms', scale: 1 },
  agentAfterTripsKiB: {
    group: 'agent, idle',
    title: 'memory after dock and undock',
    unit: 'MiB',
    scale: 1024,
  },
  midKiB: { group: 'wdockd, idle', title: 'anonymous memory, MID', unit: 'MiB', scale: 1024 },
  pcKiB: { group: 'wdockd, idle', title: 'anonymous memory, PC', unit: 'MiB', scale: 1024 },
  midCpuMsPerMinute: { group: 'wdockd, idle', title: 'CPU time per minute, MID', unit: 'ms', scale: 1 },
  pcCpuMsPerMinute: { group: 'wdockd, idle', title: 'CPU time per minute, PC', unit: 'ms', scale: 1 },
  midAfterTripsKiB: {
    group: 'wdockd, idle',
    title: 'memory after dock and undock, MID',
    unit: 'MiB',
    scale: 1024,
  },
  pcAfterTripsKiB: {
    group: 'wdockd, idle',
    title: 'memory after dock and undock, PC',
    unit: 'MiB',
    scale: 1024,
  },
  dockAdaptMs: { group: 'running to adapted', title: 'dock', unit: 's', scale: 1000 },
  undockAdaptMs: { group: 'running to adapted', title: 'undock', unit: 's', scale: 1000 },
  dockMs: { group: 'whole trip', title: 'dock', unit: 's', scale: 1000 },
  undockMs: { group: 'whole trip', title: 'undock', unit: 's', scale: 1000 },
  dockMoveMs: { group: 'whole trip', title: 'dock, transfer and hand-over', unit: 's', scale: 1000 },
  stockMs: { group: 'whole trip', title: 'QEMU alone, same guest', unit: 's', scale: 1000 },
  dockMovePerStock: { group: 'whole trip', title: 'ratio of the last two', unit: 'x', scale: 1 },
  dockDowntimeMs: { group: 'no copy runs', title: 'dock', unit: 'ms', scale: 1 },
  undockDowntimeMs: { group: 'no copy runs', title: 'undock', unit: 'ms', scale: 1 },
  stockDowntimeMs: { group: 'no copy runs', title: 'QEMU alone, same guest', unit: 'ms', scale: 1 },
} as const;

export type Metric = keyof typeof metrics;
/** In the unit that the metric's name ends with. A figure that QEMU did not give is missing. */
export type RunFigures = Readonly<Partial<Record<Metric, number>>>;

export const metricNames = Object.keys(metrics) as Metric[];
