import fc from 'fast-check';
import { networkModes, PowerProfile } from '../../../protocol/allocation.ts';
import { deviceClasses, type HostProfile, type LinkFacts } from '../../../protocol/host-profile.ts';
import type { MachineContract } from '../../../protocol/workspace.ts';
import { smallMachine } from './example-hosts.ts';

const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape, { requiredKeys: [] });
const share = fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`);
const mib = fc.oneof(
  fc.integer({ min: 0, max: 40_000 }).map((size) => `${size} MiB`),
  fc.integer({ min: 0, max: 40 }).map((size) => `${size} GiB`),
);
const shareOrSize = fc.oneof(share, mib);
const mode = fc.constantFrom('never', 'ask', 'auto');
const automatic = fc.constantFrom('auto', 'always', 'never');
const units = fc.uniqueArray(fc.constantFrom('a.service', 'b@1.service', 'c.slice', 'd.scope'));

/** Lower and upper bound, never the wrong way round. */
const bounded = <T>(pair: fc.Arbitrary<{ min: T; max: T }>, rest: fc.Arbitrary<object>) =>
  fc.tuple(pair, fc.boolean(), fc.boolean(), rest).map(([{ min, max }, hasMin, hasMax, others]) => ({
    ...others,
    ...(hasMin ? { min } : {}),
    ...(hasMax ? { max } : {}),
  }));
const pair = (most: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: most }), fc.integer({ min: 1, max: most }))
    .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }));

const sections = {
  vcpus: bounded(pair(1024), record({ share, leave: fc.integer({ min: 0, max: 1024 }) })),
  memory: bounded(
    pair(40_000).map(({ min, max }) => ({ min: `${min} MiB`, max: `${max} MiB` })),
    record({ share, leave: shareOrSize }),
  ),
  display: record({
    use: fc.constantFrom('largest', 'internal', 'external', 'none'),
    scale: fc.oneof(
      fc.constant('auto'),
      fc.integer({ min: 2, max: 16 }).map((quarters) => quarters / 4),
    ),
  }),
  network: record({
    prefer: fc.uniqueArray(fc.constantFrom(...networkModes), { minLength: 1 }),
    links: fc.uniqueArray(fc.constantFrom('ethernet', 'wifi'), { minLength: 1 }),
    metered: automatic,
    reach: fc.constantFrom('everything', 'internet'),
    anchor: fc.constantFrom('always', 'never'),
    anchorFor: fc.integer({ min: 0, max: 168 }).map((hours) => `${hours} h`),
    open: fc.uniqueArray(fc.constantFrom('tcp/22', 'udp/53', 'tcp/65535')),
    forward: fc.uniqueArray(fc.constantFrom('tcp/22', 'udp/53:5353', 'tcp/65535:1')),
  }),
  services: record({ sleep: units, awake: units }),
  power: record({
    mains: fc.constantFrom(...PowerProfile.options),
    battery: fc.constantFrom(...PowerProfile.options),
  }),
  input: record({ onScreenKeyboard: automatic }),
  move: record({
    maxDelay: fc.integer({ min: 0, max: 60_000 }).map((ms) => `${ms} ms`),
    headroom: shareOrSize,
    trimCache: automatic,
    keepCache: mib,
  }),
  triggers: record({
    dock: mode,
    dockWhen: fc.uniqueArray(fc.constantFrom('mains', 'lid-closed', 'cable', 'idle')),
    hours: fc.uniqueArray(fc.constantFrom('Mon-Fri 08:00-18:00', 'Sat,Sun 10:00-12:30', 'daily 22:00-06:00')),
    undock: mode,
    undockOn: fc.uniqueArray(fc.constantFrom('unplugged', 'fading', 'locked')),
    leaving: fc.constantFrom('stay', 'undock'),
    near: fc.integer({ min: 50, max: 100 }).map((percent) => `${percent}%`),
    fading: fc.integer({ min: 0, max: 50 }).map((percent) => `${percent}%`),
    nearFor: fc.integer({ min: 0, max: 60 }).map((minutes) => `${minutes} min`),
  }),
};

const conditions: { [key: string]: fc.Arbitrary<unknown> } = {
  power: fc.constantFrom('mains', 'battery'),
  batteryBelow: share,
  display: fc.uniqueArray(fc.constantFrom('none', 'internal', 'external'), { minLength: 1 }),
  link: fc.constantFrom('none', 'wifi', 'ethernet'),
  metered: fc.boolean(),
  class: fc.constantFrom(...deviceClasses),
  trust: fc.constantFrom('trusted', 'untrusted'),
};
const condition = fc.record(conditions, { requiredKeys: [] }).filter((one) => Object.keys(one).length > 0);

/** What may stand in a policy file, as plain values. */
export const policyValues = record({
  ...sections,
  description: fc.string(),
  when: fc.array(
    fc.tuple(condition, record(sections)).map(([facts, rest]) => ({ if: facts, ...rest })),
    { maxLength: 3 },
  ),
}).map((document) => ({ version: 1, ...document }));

const size = fc.integer({ min: 1, max: 16_384 });
const millimetres = fc.integer({ min: 0, max: 10_000 });

export const hostProfiles: fc.Arbitrary<HostProfile> = fc.record({
  deviceClass: fc.constantFrom(...deviceClasses),
  simulated: fc.boolean(),
  cpus: fc.record({ logical: fc.integer({ min: 1, max: 4096 }), model: fc.constant('x') }),
  memory: fc.record({ totalMiB: fc.integer({ min: 64, max: 1_000_000 }) }),
  displays: fc.array(
    fc.record({
      name: fc.constantFrom('eDP-1', 'DP-1', 'HDMI-A-1'),
      widthPx: size,
      heightPx: size,
      widthMm: millimetres,
      heightMm: millimetres,
      internal: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  links: fc.uniqueArray(
    fc
      .record({
        name: fc.constantFrom('eth0', 'eth1', 'wlan0', 'wlan1'),
        kind: fc.constantFrom('ethernet' as const, 'wifi' as const),
        canBridge: fc.boolean(),
        metered: fc.boolean(),
        addresses: fc.subarray(['10.0.0.1/24', '10.1.0.1/16']),
        inBridge: fc.boolean(),
      })
      .map(({ inBridge, ...link }): LinkFacts => (inBridge ? { ...link, bridge: 'br0' } : link)),
    { maxLength: 4, selector: (link) => link.name },
  ),
  power: fc.oneof(
    fc.record<HostProfile['power']>(
      { source: fc.constantFrom('mains', 'battery') },
      { requiredKeys: ['source'] },
    ),
    fc.record<HostProfile['power']>({
      source: fc.constant('battery'),
      percent: fc.integer({ min: 0, max: 100 }),
    }),
  ),
  input: fc.record({ touch: fc.boolean(), keyboard: fc.boolean(), pointer: fc.boolean() }),
  disk: fc.record({ freeMiB: fc.nat() }),
});

export const machineContracts: fc.Arbitrary<MachineContract> = fc
  .record({
    maxVcpus: fc.integer({ min: 1, max: 288 }),
    baseMemoryMiB: fc.integer({ min: 128, max: 8192 }),
    maxPluggedMemoryMiB: fc.integer({ min: 2, max: 1_000_000 }),
  })
  .map((sizes) => ({ ...smallMachine, ...sizes }));
