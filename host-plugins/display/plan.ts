import { z } from 'zod';
import { DisplayAllocation } from '../../protocol/allocation.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';

export const DisplayChange = z.strictObject({
  action: z.enum(['show', 'apply']),
  display: DisplayAllocation,
});
export type DisplayChange = z.infer<typeof DisplayChange>;

/**
 * Always both steps, also when the size stays: a QEMU that receives a VM begins with its own default size, and
 * what the monitor says of itself does not migrate. Without a display on the host the guest keeps its mode.
 */
export function planDisplay(context: PlanContext): PlanStep[] {
  const { display } = context.to;
  if (display === undefined) return [];
  const size = `${display.widthPx}x${display.heightPx}`;
  const change = (action: DisplayChange['action']): DisplayChange => ({ action, display });
  return [
    {
      resource: 'display',
      when: 'before-run',
      text: `show the guest a ${size} monitor`,
      change: change('show'),
    },
    {
      resource: 'display',
      when: 'after-move',
      text: `set the guest's desktop to ${size} at scale ${display.scale}`,
      change: change('apply'),
    },
  ];
}
