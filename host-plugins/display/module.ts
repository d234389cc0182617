import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { displayPlugin } from './display-plugin.ts';

export const displayModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin).toConstantValue(displayPlugin);
});
