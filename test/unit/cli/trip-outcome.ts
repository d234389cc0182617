import type { TripOutcome } from '../../../protocol/outcome.ts';

/** A dock of a small guest to a simulated PC, in which the memory came out short. */
export const docked: TripOutcome = {
  kind: 'dock',
  workspace: 'work',
  from: 'mid',
  to: 'pc',
  simulated: true,
  epoch: 2,
  totalMs: 21_340,
  downtimeMs: 84,
  adaptMs: 2_310,
  wireBytes: 61_431_808,
  streamBytes: 205_431_808,
  pages: { zero: 80_000, new: 40_000, repeated: 900, referenced: [{ kind: 'kept', pages: 9_000 }] },
  stages: [
    { name: 'discover', ms: 0.4 },
    { name: 'prepare', ms: 812 },
    { name: 'transfer', ms: 17_480 },
    { name: 'hand-over', ms: 140 },
    { name: 'adapt', ms: 2_310 },
    { name: 'verify', ms: 95 },
    { name: 'settle', ms: 61 },
  ],
  guest: {
    before: {
      vcpus: 1,
      memoryMiB: 742,
      display: { width: 1024, height: 600, scale: 1 },
      network: { mode: 'routed', addresses: ['10.77.0.50/24'] },
      agentVersion: '0.1.0',
    },
    after: {
      vcpus: 4,
      memoryMiB: 4700,
      display: { width: 2560, height: 1440, scale: 1 },
      network: { mode: 'bridged', addresses: ['10.77.0.50/24', 'fd00::50/64'] },
      agentVersion: '0.1.0',
    },
  },
  shortfalls: [
    {
      resource: 'memory',
      requested: '4914 MiB',
      actual: '4700 MiB',
      reason: 'the guest onlined no more within 20 s',
    },
  ],
};
