import { HostProfile } from '../../../protocol/host-profile.ts';
import type { MachineContract } from '../../../protocol/workspace.ts';

/** The two devices of the story, as the lab pretends them. */
export const mobileDevice = HostProfile.parse({
  deviceClass: 'mid',
  simulated: true,
  cpus: { logical: 1, model: 'Atom' },
  memory: { totalMiB: 1024 },
  displays: [{ name: 'panel', widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, internal: true }],
  links: [{ name: 'wlan0', kind: 'wifi', canBridge: false, addresses: ['10.77.0.11/24'] }],
  power: { source: 'battery', percent: 63 },
  input: { touch: true, keyboard: false, pointer: false },
  disk: { freeMiB: 20_000 },
});

export const officePc = HostProfile.parse({
  deviceClass: 'desktop',
  simulated: true,
  cpus: { logical: 4, model: 'Xeon' },
  memory: { totalMiB: 8192 },
  displays: [
    { name: 'HDMI-A-1', widthPx: 2560, heightPx: 1440, widthMm: 597, heightMm: 336, internal: false },
  ],
  links: [{ name: 'eth0', kind: 'ethernet', bridge: 'br0', canBridge: true, addresses: ['10.77.0.12/24'] }],
  power: { source: 'mains' },
  input: { touch: false, keyboard: true, pointer: true },
  disk: { freeMiB: 200_000 },
});

export const smallMachine: MachineContract = {
  machineType: 'pc-q35-10.0',
  cpuModel: 'Nehalem-v1',
  maxVcpus: 64,
  baseMemoryMiB: 512,
  maxPluggedMemoryMiB: 16_384,
  uuid: '6f1c2c1e-5a9a-4c55-9a3c-0c3f4b6a7d10',
  generationId: '0d3c8a34-4a29-4f0f-8a4f-3a7b1d2e5f60',
  macAddress: '52:54:00:12:34:56',
};
