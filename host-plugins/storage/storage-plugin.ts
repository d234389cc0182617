import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { checkDisk } from './adapt.ts';
import { discoverStorage } from './discover.ts';
import { planStorage, StorageChange } from './plan.ts';
import { verifyStorage } from './verify.ts';

/** The home disk is served by the home device; a move copies nothing, and this looks whether it is reached. */
export const storagePlugin: ResourcePlugin = {
  resource: 'storage',
  abilities: { hotplug: false, survivesMigration: true },
  discover: discoverStorage,
  plan: planStorage,
  adapt: (step, machine, _progress, signal) => {
    StorageChange.parse(step.change);
    return checkDisk(machine, signal);
  },
  verify: verifyStorage,
};
