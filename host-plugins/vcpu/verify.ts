import type { Allocation } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { count } from './plan.ts';

/** Compares with /sys/devices/system/cpu/online of the guest: a plugged vCPU that is offline computes nothing. */
export function verifyVcpu(to: Allocation, after: GuestState): Shortfall[] {
  const { online, present } = after.vcpus;
  if (online === to.vcpus) return [];
  return [
    {
      resource: 'vcpu',
      requested: count(to.vcpus),
      actual: `${count(online)} online of ${present} plugged`,
      reason: reasonFor(to.vcpus, online, present),
    },
  ];
}

function reasonFor(wished: number, online: number, present: number): string {
  if (online > wished) return 'the guest did not take the others offline';
  if (present < wished) return 'not all of them were plugged, or the guest did not see them';
  return 'they are plugged, but the guest did not bring them online';
}
