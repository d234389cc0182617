import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { StoragePlugin } from './storage-plugin.ts';

export const storageModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin)
    .toResolvedValue(() => new StoragePlugin())
    .inSingletonScope();
});
