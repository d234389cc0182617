import type { Shortfall } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { Adapted, PluginAbility, ResourcePlugin, StepProgress } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { checkDisk } from './adapt.ts';
import { discoverStorage } from './discover.ts';
import { planStorage, StorageChange } from './plan.ts';
import { verifyStorage } from './verify.ts';

/** The home disk is served by the home device; a move copies nothing, and this looks whether it is reached. */
export class StoragePlugin implements ResourcePlugin {
  readonly resource = 'storage';
  readonly abilities = { hotplug: false, survivesMigration: true };

  discover(signal: AbortSignal): Promise<PluginAbility> {
    return discoverStorage(signal);
  }

  plan(): PlanStep[] {
    return planStorage();
  }

  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    _progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted> {
    StorageChange.parse(step.change);
    return checkDisk(machine, signal);
  }

  verify(): Shortfall[] {
    return verifyStorage();
  }
}
