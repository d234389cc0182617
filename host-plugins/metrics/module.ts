import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import type { DaemonConfig } from '../daemon/config.ts';
import { ControlCalls } from '../daemon/control-calls.ts';
import type { ControlHandlers, HostCheck, Peers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import { DaemonToken as T } from '../daemon/tokens.ts';
import { version } from '../daemon/version.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { checkMetrics } from './doctor-line.ts';
import { type MetricsReport, MetricsServer } from './metrics-server.ts';
import { readProcess } from './read-process.ts';
import type { PresentState } from './state-metrics.ts';

/** Prometheus metrics, where the configuration asks for them. Needs the module that lists workspaces. */
export const metricsModule = new ContainerModule(({ bind }) => {
  const report: MetricsReport = {};
  bind<HostCheck>(T.Checks).toConstantValue(async () => checkMetrics(report));
  bind<Service>(T.Service)
    .toResolvedValue(
      (
        config: DaemonConfig,
        trust: TrustStore,
        peers: Peers,
        hub: WatchHub,
        handlers: ControlHandlers[],
        log: Logger,
      ) => {
        const calls = new ControlCalls(handlers);
        const present = async (): Promise<PresentState> => {
          const trusted = trust.list();
          const connected = trusted.filter(({ id }) => peers.isConnected(id)).length;
          return {
            version,
            workspaces: await calls.run('workspace.list', {}),
            devices: { trusted: trusted.length, connected },
            process: readProcess(),
          };
        };
        return new MetricsServer({ listen: config.metrics?.listen, hub, present, report, log });
      },
      [
        T.Config,
        T.TrustStore,
        T.Peers,
        T.WatchHub,
        { serviceIdentifier: T.ControlHandlers, isMultiple: true },
        T.Log,
      ],
    )
    .inSingletonScope();
});
