import { z } from 'zod';
import type { PlanStep } from '../../protocol/plan.ts';

export const StorageChange = z.strictObject({ action: z.literal('check') });
export type StorageChange = z.infer<typeof StorageChange>;

/**
 * The home disk stays where it is and is reached from everywhere, so nothing changes with the host. What is
 * left is to look, after the move, whether it really is reached.
 */
export function planStorage(): PlanStep[] {
  const change: StorageChange = { action: 'check' };
  return [{ resource: 'storage', when: 'after-move', text: 'check the way to the home disk', change }];
}
