import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { Shortfall, TripOutcome } from '../../protocol/outcome.ts';
import type { PeerMethod, peerMethods } from '../../protocol/peer-methods.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { Recalled } from '../pages/known-pages.ts';
import type { SendingSource } from '../pages/page-source.ts';
import { untilAborted } from '../pairing/until-aborted.ts';
import type { MigrationLimits } from '../qemu/migration-settings.ts';
import { readFilling } from '../qemu/read-filling.ts';
import type { RpcParams, RpcResult } from '../rpc/rpc-types.ts';
import type { RunningMachine } from '../workspace/running-machine.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { observeLimitMs } from './adapt-here.ts';
import type { Anchors } from './anchors.ts';
import { awaitAdapted } from './await-adapted.ts';
import { type PolicyText, readPolicyText } from './choose.ts';
import { chooseTrim } from './choose-trim.ts';
import { cpuShape } from './cpu-shapes.ts';
import { Departure } from './departure.ts';
import { discoverGuest } from './discover-guest.ts';
import { estimateLink, type LinkEstimate } from './estimate-link.ts';
import { chooseGuard, guardGuest } from './guard-guest.ts';
import { type LanDecision, withoutKept } from './lan-change.ts';
import { planTrip } from './plan-trip.ts';
import { Rollback } from './rollback.ts';
import { runShrinkingSteps } from './run-steps.ts';
import { type Clock, type Emit, type Say, StageClock } from './stage-clock.ts';
import { summarizeGuest } from './summarize-guest.ts';
import { tellGuest } from './tell-guest.ts';
import { trimCache } from './trim-cache.ts';

/** What a trip needs besides the workspace. */
export interface TripSurroundings {
  readonly peers: Peers;
  readonly plugins: readonly ResourcePlugin[];
  readonly clock: Clock;
  readonly limits: MigrationLimits;
  readonly anchors: Anchors;
  readonly cpuModels: Pick<CpuModels, 'requireMove'>;
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
  /** What the last move to each device was carried with, bytes a second. */
  readonly linkRates: Map<string, number>;
}

export interface TripRequest {
  readonly kind: 'dock' | 'undock';
  readonly target: { readonly id: string; readonly name: string };
  readonly emit: Emit;
}

/** An ordinary question to the other device, ms; it may have to look at its disks. */
const askLimitMs = 20_000;
/** For so long a device that was there a moment ago is waited for when the connection is lost, ms. */
const patienceMs = 10_000;
/** Starting QEMU over there, ms. */
const receiveLimitMs = 60_000;
/** Each undo, ms: memory that was taken away comes back within it on a slow guest. */
const undoLimitMs = 60_000;

/** Whether the device shall keep nothing of the VM: its user trusts it as a kiosk, and it is not the VM's home. */
export function leavesNothing({ surroundings, record }: Workspace, deviceId: string): boolean {
  return surroundings.trustOf(deviceId) === 'kiosk' && record.homeDevice !== deviceId;
}

/**
 * Moves the running VM to another device: discover, choose, plan, prepare, shrink, transfer, hand over, then adapt
 * and verify over there, and settle. Up to the hand-over every failure and every abort leaves the VM running here, as it was.
 */
export async function runTrip(
  workspace: Workspace,
  request: TripRequest,
  surroundings: TripSurroundings,
  signal: AbortSignal,
): Promise<TripOutcome> {
  using _held = surroundings.peers.hold(request.target.id);
  return await new Trip(workspace, request, surroundings, signal).run();
}

type PeerAnswer<M extends PeerMethod> = RpcResult<typeof peerMethods, M>;
type Choice = PeerAnswer<'choose'>;

/** What was asked for before its stage has come. */
interface Ahead {
  readonly choice: Promise<Choice>;
  readonly reserved: Promise<PeerAnswer<'prepare'>>;
  readonly recalled: Promise<Recalled>;
}

/** One trip, a method for each stage. */
class Trip {
  readonly #workspace: Workspace;
  readonly #request: TripRequest;
  readonly #surroundings: TripSurroundings;
  readonly #signal: AbortSignal;
  readonly #machine: RunningMachine;
  readonly #epoch: number;
  readonly #stages: StageClock;
  readonly #rollback = new Rollback(undoLimitMs);
  /** It was given up. */
  readonly #over = new AbortController();
  readonly #shortfalls: Shortfall[] = [];
  readonly #visit: { keepNothing?: true };
  #trimmedMiB: number | undefined;

  constructor(
    workspace: Workspace,
    request: TripRequest,
    surroundings: TripSurroundings,
    signal: AbortSignal,
  ) {
    this.#workspace = workspace;
    this.#request = request;
    this.#surroundings = surroundings;
    this.#signal = signal;
    this.#machine = workspace.keeper.require();
    this.#epoch = workspace.handOver.nextEpoch;
    this.#stages = new StageClock(request.emit, surroundings.clock);
    this.#visit = leavesNothing(workspace, request.target.id) ? { keepNothing: true } : {};
  }

  async run(): Promise<TripOutcome> {
    try {
      return await this.#travel();
    } catch (error) {
      throw await this.#undo(error);
    }
  }

  async #travel(): Promise<TripOutcome> {
    const { clock, peers } = this.#surroundings;
    const { target, kind, emit } = this.#request;
    const { name, surroundings, record } = this.#workspace;
    const { self } = surroundings;
    const begin = clock.monotonic();
    const stages = this.#stages;

    const policy = await readPolicyText(record.policy);
    const ahead = this.#askAhead(policy);
    const { guest, peer, own } = await stages.run('discover', () => this.#discover());
    const choice = await stages.run('choose', () => ahead.choice);
    const steps = await stages.run('plan', () => this.#plan(guest, choice));
    const link = this.#estimateLink(own, choice.profile);
    const { lan, sources } = await stages.run('prepare', (say) =>
      this.#prepare({ guest, own, choice, policy }, ahead, say),
    );
    const resized = await stages.run('shrink', async (say) => {
      const smaller = await this.#shrink(guest, steps, say);
      return await this.#trim(smaller, { link, sources }, choice, say);
    });
    await using departure = new Departure(this.#workspace, target, sources);
    await stages.run('transfer', (say) =>
      this.#transfer(departure, { lan, sources, guest: resized, link }, say),
    );
    const statistics = await stages.run('hand-over', () => departure.leave(this.#signal));
    const { linkBytesPerS, throttlePercent } = statistics;
    const { resentBytes } = departure;
    if (linkBytesPerS !== undefined) this.#surroundings.linkRates.set(target.id, linkBytesPerS);

    // The VM is the target's now, and what was taken from the guest stays taken.
    this.#rollback.commit();
    this.#workspace.expected = undefined;
    const adapting = awaitAdapted(peers, target, { workspace: name, epoch: this.#epoch }, emit);
    departure.keepMemory(this.#epoch, adapting);
    const adapted = await adapting;
    stages.times.push(...adapted.stages);
    await stages.run('settle', () => this.#workspace.settle(AbortSignal.timeout(askLimitMs)));
    return {
      kind,
      workspace: name,
      from: self.host.name,
      to: target.name,
      simulated: self.host.simulated || peer.profile.simulated,
      epoch: this.#epoch,
      totalMs: Math.round(clock.monotonic() - begin),
      downtimeMs: statistics.downtimeMs,
      adaptMs: adapted.adaptMs,
      wireBytes: departure.departed.wireBytes,
      ...(resentBytes === 0 ? {} : { resentBytes }),
      streamBytes: statistics.transferredBytes,
      pages: departure.departed.pages,
      ...(this.#trimmedMiB === undefined ? {} : { trimmedCacheMiB: this.#trimmedMiB }),
      ...(throttlePercent === 0 ? {} : { throttlePercent }),
      stages: stages.times,
      guest: { before: guest === undefined ? null : summarizeGuest(guest), after: adapted.after },
      shortfalls: [...this.#shortfalls, ...adapted.shortfalls],
    };
  }

  async #discover(): Promise<{
    guest: GuestState | undefined;
    peer: PeerAnswer<'describe'>;
    own: HostProfile;
  }> {
    const workspace = this.#workspace;
    const { peers, cpuModels, discoverHost } = this.#surroundings;
    const { target } = this.#request;
    const { record } = workspace;
    const ask = this.#within(askLimitMs);
    const [peer, seen, own] = await Promise.all([
      peers.call(target.id, 'describe', {}, { signal: ask }),
      this.#observe(),
      discoverHost(ask),
      cpuModels.requireMove(cpuShape(workspace.name, record.contract), this.#machine.qmp, target.id, ask),
    ]);
    this.#signal.throwIfAborted();
    if (seen.guest === undefined) {
      this.#note(`moving without the guest's help: ${seen.why}`);
    } else {
      const addresses = withoutKept(seen.guest.network.addresses, record.lanChange);
      await workspace.save({ guestAddresses: addresses });
      this.#machine.guestAddresses = addresses;
    }
    return { guest: seen.guest, peer, own };
  }

  /**
   * What the other device takes its time for, begun while the guest is looked at: what it would give, the place that it
   * reserves, and what this one knows of the pages there. Each is waited for in its stage.
   */
  #askAhead(policy: PolicyText | undefined): Ahead {
    const { surroundings, keptMemory } = this.#workspace;
    const choice = this.#choose(policy);
    const reserved = choice.then((chosen) => this.#reserve(chosen, policy));
    const recalled = surroundings.pages.recall(keptMemory, this.#request.target.id);
    for (const each of [choice, reserved, recalled]) each.catch(() => undefined);
    return { choice, reserved, recalled };
  }

  async #choose(policy: PolicyText | undefined): Promise<Choice> {
    const { name, record } = this.#workspace;
    const about = { workspace: name, contract: record.contract, ...withPolicy(policy), ...this.#visit };
    return await this.#ask('choose', about, askLimitMs, this.#over.signal);
  }

  /** Reserves the place over there, and opens the disk to it. */
  async #reserve(choice: Choice, policy: PolicyText | undefined): Promise<PeerAnswer<'prepare'>> {
    const workspace = this.#workspace;
    const { target } = this.#request;
    const { name, record } = workspace;
    // What was given up meanwhile reserves nothing any more.
    this.#over.signal.throwIfAborted();
    const wanted = {
      workspace: name,
      homeDevice: record.homeDevice,
      epoch: this.#epoch,
      contract: record.contract,
      allocation: choice.allocation,
      move: choice.move,
      guestAddresses: record.guestAddresses,
      ...withPolicy(policy),
      ...this.#visit,
    };
    const answer = Promise.withResolvers<PeerAnswer<'prepare'>>();
    answer.promise.catch(() => undefined);
    // Deferred first: an answer that is lost on the way may be a reservation all the same.
    this.#rollback.defer(`release what "${target.name}" reserved`, async (undo) => {
      await untilAborted(answer.promise, undo).catch(() => undefined); // what is still being reserved cannot be released
      const given = { workspace: name, epoch: this.#epoch, reason: 'the move was given up' };
      await this.#surroundings.peers.call(target.id, 'abandon', given, { signal: undo });
    });
    this.#rollback.defer('close the disk to the other device', async () => {
      workspace.expected = undefined;
    });
    workspace.expected = target.id;
    this.#ask('prepare', wanted, askLimitMs).then(answer.resolve, answer.reject);
    return await answer.promise;
  }

  async #plan(guest: GuestState | undefined, choice: Choice): Promise<PlanStep[]> {
    const { record } = this.#workspace;
    return planTrip(this.#surroundings.plugins, {
      contract: record.contract,
      filling: await readFilling(this.#machine.qmp, this.#signal),
      guest,
      from: record.allocation,
      to: choice.allocation,
      target: choice.profile,
      headroomMiB: choice.move.headroomMiB,
    });
  }

  /** Has the place over there, and tells the guest. */
  async #prepare(
    {
      guest,
      own,
      choice,
      policy,
    }: {
      readonly guest: GuestState | undefined;
      readonly own: HostProfile;
      readonly choice: Choice;
      readonly policy: PolicyText | undefined;
    },
    ahead: Ahead,
    say: Say,
  ): Promise<{ lan: LanDecision; sources: SendingSource[] }> {
    const workspace = this.#workspace;
    const { anchors } = this.#surroundings;
    const { target } = this.#request;
    const { record } = workspace;
    const rollback = this.#rollback;
    rollback.defer('keep no addresses for a guest that stays', () => anchors.cancel(workspace));
    const end = { ...target, profile: choice.profile, network: choice.allocation.network };
    const lan = await anchors.propose(workspace, own, end, record.guestAddresses, this.#signal);
    this.#shortfalls.push(...lan.shortfalls);
    const { pages } = await ahead.reserved;
    if (this.#machine.agent !== undefined && guest !== undefined) {
      say('applications in the guest are told');
      const news = { name: target.name, profile: choice.profile, maxDelayMs: choice.move.maxDelayMs };
      const late = await tellGuest(this.#machine.agent, news, rollback, this.#signal);
      if (late !== undefined) this.#note(late);
    }
    if (this.#visit.keepNothing === true) {
      say('the guest is locked, for it goes to a kiosk');
      const guard = chooseGuard(policy, choice.profile, target.name);
      const guarded = await guardGuest(this.#machine, guard, target.name, rollback, this.#signal);
      this.#shortfalls.push(...guarded);
    }
    const sources = await workspace.surroundings.pages.recognise(await ahead.recalled, pages);
    return { lan, sources };
  }

  /** Returns the guest as it is then. */
  async #shrink(
    guest: GuestState | undefined,
    steps: readonly PlanStep[],
    say: Say,
  ): Promise<GuestState | undefined> {
    const context = { plugins: this.#surroundings.plugins, machine: this.#machine, say };
    this.#shortfalls.push(...(await runShrinkingSteps(context, steps, this.#rollback, this.#signal)));
    if (!steps.some((step) => step.when === 'before-move') || guest === undefined) return guest;
    return (await this.#observe()).guest ?? guest;
  }

  /** Has the guest drop what it need not take along. Last before memory moves, so that little of it is read again. */
  async #trim(
    guest: GuestState | undefined,
    { link, sources }: { readonly link: LinkEstimate; readonly sources: readonly SendingSource[] },
    { move }: Choice,
    say: Say,
  ): Promise<GuestState | undefined> {
    if (guest === undefined) return undefined;
    const targetHasPages = sources.reduce((sum, { pages }) => sum + pages, 0);
    const trim = chooseTrim({ rules: move, memory: guest.memory, link, targetHasPages });
    if (!trim.trim) return guest;
    say(`the guest drops page cache: ${trim.because}`);
    const { droppedMiB, said } = await trimCache(this.#machine, trim, move.keepCacheMiB, this.#signal);
    this.#trimmedMiB = droppedMiB;
    this.#note(said);
    return guest;
  }

  async #transfer(
    departure: Departure,
    {
      lan,
      sources,
      guest,
      link,
    }: {
      lan: LanDecision;
      sources: readonly SendingSource[];
      guest: GuestState | undefined;
      link: LinkEstimate;
    },
    say: Say,
  ): Promise<void> {
    const what = {
      workspace: this.#workspace.name,
      epoch: this.#epoch,
      filling: await readFilling(this.#machine.qmp, this.#signal),
      guestAddresses: lan.guestAddresses,
      pages: sources.map(({ kind, digest, pages }) => ({ kind, digest, pages })),
      ...(lan.lanChange === undefined ? {} : { lanChange: lan.lanChange }),
      ...(guest === undefined ? {} : { guest }),
    };
    await this.#ask('receive', what, receiveLimitMs);
    const limits = { ...this.#surroundings.limits, linkBytesPerS: link.bytesPerS };
    const staysOnLan = lan.lanChange?.lan !== 'other';
    await departure.transfer(this.#epoch, { limits, staysOnLan }, say, this.#signal);
  }

  #estimateLink(own: HostProfile, other: HostProfile): LinkEstimate {
    const { linkRates, limits } = this.#surroundings;
    return estimateLink(own, other, linkRates.get(this.#request.target.id), limits.maxBandwidthBytesPerS);
  }

  /** Takes back what was begun, and returns what is to be thrown. */
  async #undo(error: unknown): Promise<DockError> {
    const failure = this.#signal.aborted
      ? DockError.from(this.#signal.reason, 'cancelled')
      : DockError.from(error);
    this.#over.abort(failure);
    for (const problem of await this.#rollback.unwind()) this.#note(`could not be undone: ${problem}`);
    const { current: stage } = this.#stages;
    const { surroundings, isOwner, machine } = this.#workspace;
    this.#request.emit({
      kind: 'trip-failed',
      at: this.#surroundings.clock.wall(),
      error: failure.toData(),
      ...(stage === undefined ? {} : { stage }),
      ...(isOwner && machine !== undefined ? { runsOn: surroundings.self.host.name } : {}),
    });
    return failure;
  }

  #observe(): ReturnType<typeof discoverGuest> {
    return discoverGuest(this.#machine.agent, this.#within(observeLimitMs));
  }

  #ask<M extends PeerMethod>(
    method: M,
    params: RpcParams<typeof peerMethods, M>,
    limitMs: number,
    until?: AbortSignal,
  ): Promise<PeerAnswer<M>> {
    const { peers } = this.#surroundings;
    const { id, name } = this.#request.target;
    const limit = this.#within(limitMs);
    const note = (text: string): void => {
      if (!this.#over.signal.aborted) this.#note(text);
    };
    return peers.call(id, method, params, {
      signal: until === undefined ? limit : AbortSignal.any([limit, until]),
      patienceMs,
      onLost: () => note(`"${name}" does not answer just now; waiting for it`),
      onFound: () => note(`"${name}" answers again`),
    });
  }

  #within(limitMs: number): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(limitMs)]);
  }

  #note(text: string): void {
    this.#request.emit({ kind: 'note', at: this.#surroundings.clock.wall(), text });
  }
}

const withPolicy = (policy: PolicyText | undefined) => (policy === undefined ? {} : { policy });
