import type { PlanContext } from '../../../host-plugins/contract/resource-plugin.ts';
import { Allocation } from '../../../protocol/allocation.ts';
import { GuestState } from '../../../protocol/guest-state.ts';
import { HostProfile } from '../../../protocol/host-profile.ts';
import { MachineContract } from '../../../protocol/workspace.ts';

type Parts<T> = { readonly [K in keyof T]?: T[K] extends object | undefined ? Partial<T[K]> : T[K] };

export function contract(changes: Partial<MachineContract> = {}): MachineContract {
  return MachineContract.parse({
    machineType: 'pc-q35-10.0',
    cpuModel: 'Nehalem-v1',
    maxVcpus: 8,
    baseMemoryMiB: 512,
    maxPluggedMemoryMiB: 8192,
    uuid: '9c2e7f5e-3f0a-4b39-9a53-6c6d3f3f8f01',
    generationId: '3b1c9bb6-41a3-4a0e-8a85-52f4dbb0a111',
    macAddress: '52:54:00:12:34:56',
    ...changes,
  });
}

export function allocation(changes: Partial<Allocation> = {}): Allocation {
  return Allocation.parse({
    vcpus: 4,
    memoryMiB: 4914,
    display: { widthPx: 2560, heightPx: 1440, widthMm: 597, heightMm: 336, scale: 1 },
    network: { mode: 'bridged', metered: false },
    services: { sleep: [] },
    power: { profile: 'performance' },
    input: { onScreenKeyboard: false },
    ...changes,
  });
}

/** A guest of 768 MiB with 1 vCPU that is not busy. */
export function guest(changes: Parts<GuestState> = {}): GuestState {
  const totalMiB = changes.memory?.totalMiB ?? 720;
  const availableMiB = changes.memory?.availableMiB ?? 460;
  return GuestState.parse({
    agentVersion: '0.1.0',
    frozenServices: [],
    clockMs: 1,
    uptimeMs: 1,
    notes: [],
    ...changes,
    vcpus: { online: 1, present: 1, ...changes.vcpus },
    memory: { largest: [], ...changes.memory, totalMiB, availableMiB, usedMiB: totalMiB - availableMiB },
    network: { mode: 'bridged', addresses: ['10.77.0.50/24'], ...changes.network },
  });
}

export function host(changes: Partial<HostProfile> = {}): HostProfile {
  return HostProfile.parse({
    deviceClass: 'mid',
    cpus: { logical: 1, model: 'small' },
    memory: { totalMiB: 1024 },
    displays: [],
    links: [{ name: 'wlan0', kind: 'wifi', canBridge: false, addresses: ['10.77.0.11/24'] }],
    power: { source: 'battery', percent: 60 },
    input: { touch: true, keyboard: false, pointer: false },
    disk: { freeMiB: 1000 },
    ...changes,
  });
}

export function context(changes: Partial<PlanContext> = {}): PlanContext {
  return {
    contract: contract(),
    filling: { pluggedVcpus: [], requestedPluggedMemoryMiB: 256 },
    guest: guest(),
    from: undefined,
    to: allocation(),
    target: host(),
    ...changes,
  };
}
