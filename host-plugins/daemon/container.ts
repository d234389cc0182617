import { Container, type ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import type { Identity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { DaemonConfig } from './config.ts';
import { daemonModule } from './module.ts';
import { DaemonToken } from './tokens.ts';

/** What has to be read from the disk before anything can be wired. */
export interface Foundation {
  readonly config: DaemonConfig;
  readonly log: Logger;
  readonly identity: Identity;
  readonly trust: TrustStore;
}

/** All parts of wdockd: the frame and the given modules (plugins, workspaces, pipeline). */
export function createContainer(foundation: Foundation, modules: readonly ContainerModule[]): Container {
  const container = new Container();
  container.bind(DaemonToken.Config).toConstantValue(foundation.config);
  container.bind(DaemonToken.Log).toConstantValue(foundation.log);
  container.bind(DaemonToken.Identity).toConstantValue(foundation.identity);
  container.bind(DaemonToken.TrustStore).toConstantValue(foundation.trust);
  container.load(daemonModule, ...modules);
  return container;
}
