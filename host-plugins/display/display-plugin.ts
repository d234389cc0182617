import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { applyToDesktop, showMonitor, shrinkDesktop } from './adapt.ts';
import { discoverDisplay } from './discover.ts';
import { DisplayChange, planDisplay } from './plan.ts';
import { verifyDisplay } from './verify.ts';

/** The guest gets a monitor as the host has one; its compositor sets the mode and the scale. */
export const displayPlugin: ResourcePlugin = {
  resource: 'display',
  abilities: { hotplug: true, survivesMigration: false },
  discover: discoverDisplay,
  plan: planDisplay,
  adapt: (step, machine, _progress, signal) => {
    const change = DisplayChange.parse(step.change);
    switch (change.action) {
      case 'shrink':
        return shrinkDesktop(change.display, change.back, machine, signal);
      case 'show':
        return showMonitor(change.display, machine, signal);
      case 'apply':
        return applyToDesktop(change.display, machine, signal);
    }
  },
  verify: verifyDisplay,
};
