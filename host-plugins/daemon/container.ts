import { Container, type ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import { displayModule } from '../display/module.ts';
import { hostBusModule } from '../host-bus/module.ts';
import { memoryModule } from '../memory/module.ts';
import { metricsModule } from '../metrics/module.ts';
import { networkModule } from '../network/module.ts';
import type { OwnIdentity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { pipelineModule } from '../pipeline/module.ts';
import { presenceModule } from '../presence/module.ts';
import { sourcesModule } from '../presence/sources/module.ts';
import { storageModule } from '../storage/module.ts';
import { bridgeModule } from '../system/bridge/module.ts';
import { hostInventoryModule } from '../system/host-inventory/module.ts';
import { hostNetworkModule } from '../system/network/module.ts';
import { vcpuModule } from '../vcpu/module.ts';
import type { DaemonConfig } from './config.ts';
import { daemonModule } from './module.ts';
import type { Renewal } from './renewal.ts';
import { DaemonToken } from './tokens.ts';

/** What stands behind the doors: plugins, workspaces, pipeline. */
export type WdockdModule = ContainerModule;

/** The parts of the shipped wdockd that are not its frame. A new resource plugin is one line here. */
export const shippedModules: readonly WdockdModule[] = [
  hostInventoryModule,
  bridgeModule,
  hostNetworkModule,
  vcpuModule,
  memoryModule,
  displayModule,
  networkModule,
  storageModule,
  sourcesModule,
  pipelineModule,
  hostBusModule,
  metricsModule,
  presenceModule,
];

/** What has to be read from the disk before anything can be wired. */
export interface Foundation {
  readonly config: DaemonConfig;
  readonly log: Logger;
  readonly identity: OwnIdentity;
  readonly trust: TrustStore;
  readonly renewal: Renewal;
}

/** All parts of wdockd: the frame and the given modules (plugins, workspaces, pipeline). */
export function createContainer(foundation: Foundation, modules: readonly WdockdModule[]): Container {
  const container = new Container();
  container.bind(DaemonToken.Config).toConstantValue(foundation.config);
  container.bind(DaemonToken.Log).toConstantValue(foundation.log);
  container.bind(DaemonToken.Identity).toConstantValue(foundation.identity);
  container.bind(DaemonToken.TrustStore).toConstantValue(foundation.trust);
  container.bind(DaemonToken.Renewal).toConstantValue(foundation.renewal);
  container.load(daemonModule, ...modules);
  return container;
}
