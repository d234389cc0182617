import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { storagePlugin } from './storage-plugin.ts';

export const storageModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin).toConstantValue(storagePlugin);
});
