import type { NetworkMode } from '../../protocol/allocation.ts';

/** Network modes that a policy may name and this version cannot lay, with the reason that its user reads. */
export const unavailableModes: Partial<Record<NetworkMode, string>> = {
  nat: 'this version joins guests bridged or routed, and not through NAT',
};
