import { ContainerModule } from 'inversify';
import { Token } from '../../contract/tokens.ts';
import { HostInventory, type HostInventorySettings } from './host-inventory.ts';

/** Needs `Token.HostInventorySettings`. */
export const hostInventoryModule = new ContainerModule(({ bind }) => {
  bind<HostInventory>(Token.HostInventory)
    .toResolvedValue(
      (settings: HostInventorySettings) => new HostInventory(settings),
      [Token.HostInventorySettings],
    )
    .inSingletonScope();
});
