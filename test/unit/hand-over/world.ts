import type { StepFunction } from '../../../host-plugins/hand-over/machine.ts';
import { mayRun, nowhere, type Position } from '../../../host-plugins/hand-over/position.ts';
import type { Effect, Input, State, VmState } from '../../../host-plugins/hand-over/state.ts';

/**
 * Two devices, their QEMUs, one disk and the wire between them, as a transition system: `successors` gives every
 * next world. What the product decides is decided by the product's own `step` and `recover`; only their
 * surroundings are modelled here.
 *
 * The wire is the set of all messages ever sent: each may be delivered at any time, any number of times, in any
 * order, or never. So loss, repetition, reordering and delay over a reconnect need no counting.
 *
 * wdockd can be killed between any two effects. Two moments need no world of their own: after an input and before
 * its first effect, because nothing but memory has changed; and before a `send`, because a message that is on the
 * wire and never delivered is one that was never sent.
 */
export interface Device {
  /** undefined: wdockd is not running. */
  readonly state: State | undefined;
  /** The state before the step whose effects are being executed. */
  readonly before: State | undefined;
  readonly effects: readonly Effect[];
  /** Results of effects, to be handled when `effects` is empty. */
  readonly results: readonly Input[];
  /** What is on its disk. */
  readonly journal: Position;
  readonly qemu: VmState;
  /** Whether the guest memory in its QEMU is older than the disk, or than another copy that has run. */
  readonly stale: boolean;
  /** Lost its power for good. */
  readonly dead: boolean;
}

export interface Surroundings {
  /** The source's device number and how far its migration is. */
  readonly migration:
    | { readonly source: 0 | 1; readonly at: 'moving' | 'stopped' | 'switching' | 'loaded' | 'failed' }
    | undefined;
  /** How far the home device is with writing its VM's memory to an image; `orphaned`: its wdockd was killed. */
  readonly save:
    | { readonly at: 'writing' | 'stopped' | 'switched' | 'whole' | 'failed'; readonly orphaned: boolean }
    | undefined;
  /** What the directory has; `stale`: whole, and the disk was written since. */
  readonly image: 'none' | 'partial' | 'good' | 'stale';
  readonly savesLeft: number;
  /** How often somebody may begin to resume from the image. */
  readonly claimsLeft: number;
  /** The disk was written since a migration last stopped the VM. */
  readonly written: boolean;
  readonly offersLeft: number;
  readonly forcesLeft: number;
  readonly forced: boolean;
}

export interface World {
  readonly devices: readonly [Device, Device];
  readonly around: Surroundings;
  /** Messages on the wire as `toDevice say epoch`, sorted. */
  readonly wire: readonly string[];
}

export interface Edge {
  readonly label: string;
  /** Happens sooner or later where nothing fails any more. */
  readonly fair: boolean;
  readonly to: World;
  /** A rule that taking this edge breaks. */
  readonly breaks?: string;
}

export interface WorldOptions {
  readonly step: StepFunction;
  /** Which device has the disk. */
  readonly home: 0 | 1;
  readonly offers: number;
  /** How often it may be suspended, at home. */
  readonly saves: number;
  /** How often somebody may begin to resume it. */
  readonly claims: number;
  /** How often a person may force, at any device and time, also when he is wrong. */
  readonly forces: number;
  /** The host that has not the disk never comes back when it crashes, and a person forces where it is needed. */
  readonly crashedGuestHostStaysDead: boolean;
}

export const names = ['A', 'B'] as const;
export type Number2 = 0 | 1;
export const other = (n: Number2): Number2 => (n === 0 ? 1 : 0);

export function firstWorld(options: WorldOptions): World {
  const owner: Position = { at: 'owner', epoch: 1, offered: 1 };
  const idle = { before: undefined, effects: [], results: [], stale: false, dead: false };
  return {
    devices: [
      { ...idle, state: { position: owner }, journal: owner, qemu: 'running' },
      { ...idle, state: { position: nowhere }, journal: nowhere, qemu: 'gone' },
    ],
    around: {
      migration: undefined,
      save: undefined,
      image: 'none',
      savesLeft: options.saves,
      claimsLeft: options.claims,
      written: false,
      offersLeft: options.offers,
      forcesLeft: options.forces,
      forced: false,
    },
    wire: [],
  };
}

/** Exactly one copy runs, or is whole in its image; its device knows, and the other has nothing left of it. */
export function isSettled(world: World): boolean {
  const [a, b] = world.devices;
  const quiet = (d: Device) => d.state !== undefined && d.effects.length === 0 && d.results.length === 0;
  const runs = (d: Device) => d.qemu === 'running' && d.state?.position.at === 'owner';
  const rests = (d: Device) => d.qemu === 'gone' && d.state?.position.at === 'away';
  const sleeps = (d: Device) =>
    d.qemu === 'gone' && d.state?.position.at === 'suspended' && world.around.image === 'good';
  if (a.dead || b.dead)
    return !(a.dead && b.dead) && [a, b].every((d) => d.dead || (quiet(d) && (runs(d) || sleeps(d))));
  const has = (d: Device) => runs(d) || sleeps(d);
  return quiet(a) && quiet(b) && ((has(a) && rests(b)) || (rests(a) && has(b)));
}

/** The rule that this world breaks, if any. After a person's force they are suspended: that is what force is. */
export function brokenRule(world: World): string | undefined {
  if (world.around.forced) return undefined;
  const [a, b] = world.devices;
  if (a.qemu === 'running' && b.qemu === 'running') return 'two copies run';
  if (!a.dead && !b.dead && mayRun(a.journal) && mayRun(b.journal))
    return 'two devices may run it by their journals';
  if (
    !a.dead &&
    !b.dead &&
    [a, b].some((d) => isSuspended(d.journal)) &&
    [a, b].some((d) => mayRun(d.journal))
  )
    return 'one device has it suspended, and the other may run it';
  for (const d of world.devices) {
    if (d.qemu === 'running' && !mayRun(d.journal))
      return 'a copy runs on a device whose journal does not own it';
    if (isSuspended(d.journal) && world.around.image !== 'good')
      return 'it is suspended in an image that is not whole, or older than the disk';
  }
  return undefined;
}

/** Its journal says that the image is the VM. */
export function isSuspended(journal: Position): boolean {
  return journal.at === 'suspended' || (journal.at === 'offering' && journal.image !== undefined);
}

export function withDevice(world: World, n: Number2, change: Partial<Device>): World {
  const changed = { ...world.devices[n], ...change };
  return { ...world, devices: n === 0 ? [changed, world.devices[1]] : [world.devices[0], changed] };
}

export const withAround = (world: World, change: Partial<Surroundings>): World => ({
  ...world,
  around: { ...world.around, ...change },
});
