import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { vcpuPlugin } from './vcpu-plugin.ts';

export const vcpuModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin)
    .toResolvedValue(() => vcpuPlugin())
    .inSingletonScope();
});
