import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { memoryPlugin } from './memory-plugin.ts';

export const memoryModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin)
    .toResolvedValue(() => memoryPlugin())
    .inSingletonScope();
});
