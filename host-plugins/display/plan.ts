import { z } from 'zod';
import { DisplayAllocation } from '../../protocol/allocation.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';

export const DisplayChange = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('shrink'), display: DisplayAllocation, back: DisplayAllocation }),
  z.strictObject({ action: z.literal('show'), display: DisplayAllocation }),
  z.strictObject({ action: z.literal('apply'), display: DisplayAllocation }),
]);
export type DisplayChange = z.infer<typeof DisplayChange>;

/**
 * A picture that gets smaller does so before the move: virtio-gpu sends all of the guest's framebuffers while the VM
 * stands still (2560x1440 pixels, twice: 30 MB, 2.5 s at 100 Mbit/s).
 *
 * Then always both steps, also when the size stays: a QEMU that receives a VM begins with its own default size, and
 * what the monitor says of itself does not migrate. Without a display on the host the guest keeps its mode.
 */
export function planDisplay(context: PlanContext): PlanStep[] {
  const { display } = context.to;
  if (display === undefined) return [];
  const size = `${display.widthPx}x${display.heightPx}`;
  const change = (action: 'show' | 'apply'): DisplayChange => ({ action, display });
  return [
    ...planShrinking(context, display),
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

function planShrinking({ from, guest }: PlanContext, display: DisplayAllocation): PlanStep[] {
  const back = from?.display;
  const shown = guest?.display;
  if (back === undefined || shown === undefined || pixels(display) >= pixels(shown)) return [];
  const change: DisplayChange = { action: 'shrink', display, back };
  return [
    {
      resource: 'display',
      when: 'before-move',
      text: `make the guest's desktop ${display.widthPx}x${display.heightPx}, so that it stands still for less`,
      change,
    },
  ];
}

function pixels({ widthPx, heightPx }: { widthPx: number; heightPx: number }): number {
  return widthPx * heightPx;
}
