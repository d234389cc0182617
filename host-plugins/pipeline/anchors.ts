import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile, LanChange } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { findTakers } from '../system/network/find-takers.ts';
import { withoutPrefix } from '../system/network/ip-address.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { leaveToTakers, recallAddresses, rememberAddresses } from './addresses-here.ts';
import { AnchorCarrier } from './carry-anchor.ts';
import { AnchorKeeper } from './keep-anchor.ts';
import {
  decideLanChange,
  type LanDecision,
  lanDeviceOf,
  linkOf,
  type MoveEnd,
  withoutKept,
} from './lan-change.ts';

/** Looking at this host's links, ms. */
const discoverLimitMs = 10_000;

/** What the policy of a device says about keeping addresses for a guest that leaves it. */
export interface AnchorRule {
  readonly use: 'always' | 'never';
  /** How long at most, ms. */
  readonly forMs: number;
  /** The rule that says so, e.g. `mid.yaml:12 network.anchor`. */
  readonly rule: string;
}

export interface AnchorsParts {
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
  readonly ruleFor: (workspace: Workspace, signal: AbortSignal) => Promise<AnchorRule>;
  /** Has the guest take up its network again; resolves when it has. */
  readonly readapt: (workspace: Workspace) => Promise<void>;
  readonly onChange: (workspace: Workspace) => void;
}

/** What this device does for the addresses of one workspace; at most one of each. */
interface Roles {
  keeper?: AnchorKeeper;
  carrier?: AnchorCarrier;
  shortfalls: Shortfall[];
}

/**
 * Anchors of this device's workspaces (docs/networking.md): decided by the device that the VM leaves, laid by both, and
 * tied to where the hand-over says that the VM is. A failure here never keeps a VM from moving: its connections then end.
 */
export class Anchors {
  readonly #parts: AnchorsParts;
  readonly #roles = new Map<string, Roles>();

  constructor(parts: AnchorsParts) {
    this.#parts = parts;
  }

  /**
   * For a VM that will leave this device: what the move means for its addresses. Where they are to be kept here,
   * everything for it is ready when this returns; `cancel` takes that back. `profile`: of this host.
   */
  async propose(
    workspace: Workspace,
    profile: HostProfile,
    to: MoveEnd,
    guestAddresses: readonly string[],
    signal: AbortSignal,
  ): Promise<LanDecision> {
    const { id, host } = workspace.surroundings.self;
    const { allocation, lanChange: before } = workspace.record;
    const from: MoveEnd = { id, name: host.name, profile, network: allocation?.network };
    const rule = await this.#parts.ruleFor(workspace, signal);
    const noAnchor = rule.use === 'never' ? `by policy (${rule.rule})` : undefined;
    const move = { from, to, guestAddresses, before };
    const decision = decideLanChange({ ...move, noAnchor });
    const { anchor } = decision.lanChange ?? {};
    const uplink = lanDeviceOf(from);
    if (anchor === undefined || uplink === undefined) return decision;
    try {
      const { addresses } = anchor;
      const untilMs = this.#parts.now() + rule.forMs;
      const kept = { format: 1 as const, peer: to.id, addresses, uplink, untilMs };
      await this.#rolesOf(workspace).keeper?.finish('a new one takes its place');
      this.#set(workspace, {
        keeper: await AnchorKeeper.prepare(workspace, kept, this.#surroundings(workspace), signal),
      });
      return decision;
    } catch (error) {
      signal.throwIfAborted();
      return decideLanChange({ ...move, noAnchor: DockError.from(error).message });
    }
  }

  /** The move that was proposed does not happen. */
  async cancel(workspace: Workspace): Promise<void> {
    if (workspace.isOwner) await this.#rolesOf(workspace).keeper?.finish('the VM stays');
    this.#show(workspace);
  }

  /**
   * For a VM that comes to this device: lays the way before it runs, and notes what it comes with. Returns the addresses
   * that it had here before, with prefix length, where only this device knows them.
   */
  async arriving(
    workspace: Workspace,
    lanChange: LanChange | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    await this.#dropCarrier(workspace, false);
    const roles = this.#rolesOf(workspace);
    roles.shortfalls = [];
    let change = lanChange;
    if (lanChange?.anchor !== undefined) {
      try {
        const { network } = workspace.surroundings;
        await network.createTap(workspace.tap, workspace.record.contract.macAddress, undefined, signal);
        await this.#carry(workspace, lanChange.anchor, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { anchor: _, ...rest } = lanChange;
        change = rest;
        roles.shortfalls.push({
          resource: 'network',
          requested: `connections of ${lanChange.anchor.addresses.join(', ')} stay open`,
          actual: 'they end',
          reason: DockError.from(error).message,
        });
      }
    }
    const comesBlank = change?.lan === 'other' && change.known === undefined;
    const recalled = comesBlank ? await this.#recall(workspace, signal) : [];
    if (change !== undefined && recalled.length > 0)
      change = { ...change, known: recalled.map(withoutPrefix) };
    await this.#note(workspace, change);
    if (comesBlank && recalled.length === 0) await this.#hideRouted(workspace);
    return recalled;
  }

  /** The guest is nowhere on this LAN now, so whoever answers for its addresses has got them meanwhile. */
  async #recall(workspace: Workspace, signal: AbortSignal): Promise<readonly string[]> {
    const { allocation, addressesHere } = workspace.record;
    const profile = await this.#parts.discoverHost(signal);
    const link = linkOf({ profile, network: allocation?.network });
    const recalled = recallAddresses(link, addressesHere);
    if (link === undefined || recalled.length === 0) return recalled;
    const takers = await findTakers(link.bridge ?? link.name, recalled.map(withoutPrefix), signal);
    const { addresses, shortfalls } = leaveToTakers(recalled, takers);
    this.#rolesOf(workspace).shortfalls.push(...shortfalls);
    return addresses;
  }

  async #remember(workspace: Workspace): Promise<void> {
    const { allocation, guestAddresses, lanChange } = workspace.record;
    if (workspace.guest === undefined || allocation?.network.mode === 'nat') return;
    const profile = await this.#parts.discoverHost(AbortSignal.timeout(discoverLimitMs));
    const link = linkOf({ profile, network: allocation?.network });
    const addressesHere = rememberAddresses(link, withoutKept(guestAddresses, lanChange));
    if (addressesHere !== undefined) await workspace.save({ addressesHere });
  }

  /**
   * A host routes to addresses of its LAN only, and the guest has none of it: here it is behind a NAT, and stays so when it
   * is adapted again, where nobody knows any more from where it came.
   */
  async #hideRouted(workspace: Workspace): Promise<void> {
    const { allocation } = workspace.record;
    if (allocation?.network.mode !== 'routed') return;
    await workspace.save({ allocation: { ...allocation, network: { ...allocation.network, mode: 'nat' } } });
    this.#rolesOf(workspace).shortfalls.push({
      resource: 'network',
      requested: 'routed',
      actual: 'nat',
      reason:
        'the guest comes from another network, and a host can route to addresses of its own network only',
    });
  }

  /** What could not be done for the addresses that the guest came with. */
  shortfalls(workspace: Workspace): readonly Shortfall[] {
    return this.#rolesOf(workspace).shortfalls;
  }

  /** The VM that was expected does not come. */
  async abandoned(workspace: Workspace): Promise<void> {
    await this.#dropCarrier(workspace, false);
  }

  async follow(workspace: Workspace, event: HandOverEvent): Promise<void> {
    const { keeper, carrier } = this.#rolesOf(workspace);
    await keeper?.follow(event);
    if (event.kind === 'voided' || event.kind === 'superseded') await this.#dropCarrier(workspace, false);
    // Not before: until the VM runs over there it may come back, and need all of it again.
    const hasLeft = event.kind === 'settled' || event.kind === 'suspended';
    if (hasLeft && carrier !== undefined) this.#finishInBackground(workspace);
    this.#show(workspace);
  }

  /** After the hand-over has recovered: what an earlier life of wdockd kept or carried goes on. */
  async recover(workspace: Workspace, signal: AbortSignal): Promise<void> {
    const surroundings = this.#surroundings(workspace);
    const keeper = await AnchorKeeper.recover(workspace, surroundings, signal);
    if (keeper !== undefined) this.#set(workspace, { keeper });
    const { lanChange, guestAddresses } = workspace.record;
    if (!workspace.isOwner || workspace.machine === undefined || lanChange?.anchor === undefined) {
      await AnchorCarrier.removeLeft(workspace, signal);
      return;
    }
    const addresses = withoutKept(guestAddresses, lanChange);
    workspace.machine.guestAddresses = addresses;
    await workspace.save({ guestAddresses: addresses });
    await this.#carry(workspace, lanChange.anchor, signal);
  }

  /** The guest has taken up the network of this host: from here on its LAN is the one it is on. */
  async adapted(workspace: Workspace): Promise<void> {
    await this.#remember(workspace);
    const { lanChange, guestAddresses } = workspace.record;
    if (lanChange === undefined || workspace.guest === undefined) return;
    const addresses = withoutKept(guestAddresses, lanChange);
    if (workspace.machine !== undefined) workspace.machine.guestAddresses = addresses;
    await workspace.save({ guestAddresses: addresses });
    const { anchor, known } = lanChange;
    if (lanChange.lan === 'same') return;
    const rest = { ...(known === undefined ? {} : { known }), ...(anchor === undefined ? {} : { anchor }) };
    await this.#note(workspace, (known ?? anchor) ? { lan: 'same', ...rest } : undefined);
  }

  /** Lets go of all; what was laid stays for a successor. */
  async close(): Promise<void> {
    for (const { keeper, carrier } of this.#roles.values()) {
      await keeper?.[Symbol.asyncDispose]();
      await carrier?.[Symbol.asyncDispose]();
    }
    this.#roles.clear();
  }

  async #carry(
    workspace: Workspace,
    anchor: NonNullable<LanChange['anchor']>,
    signal: AbortSignal,
  ): Promise<void> {
    const surroundings = {
      ...this.#surroundings(workspace),
      onUnused: (why: string) => void this.#giveUp(workspace, why),
    };
    this.#set(workspace, { carrier: await AnchorCarrier.lay(workspace, anchor, surroundings, signal) });
  }

  /** The guest loses the kept addresses, then both ends close. */
  async #giveUp(workspace: Workspace, why: string): Promise<void> {
    const { log, readapt } = this.#parts;
    log.info({ workspace: workspace.name, why }, 'the anchor is given up');
    try {
      const known = workspace.record.lanChange?.known;
      await this.#note(workspace, known === undefined ? undefined : { lan: 'same', known });
      if (workspace.isOwner && workspace.machine !== undefined) await readapt(workspace);
    } catch (error) {
      log.warn({ workspace: workspace.name, err: error }, 'the guest still has the addresses of its anchor');
    }
    await this.#dropCarrier(workspace, true);
  }

  #finishInBackground(workspace: Workspace): void {
    this.#dropCarrier(workspace, true).catch((error: unknown) => {
      this.#parts.log.error({ workspace: workspace.name, err: error }, 'the anchor could not be given up');
    });
  }

  async #dropCarrier(workspace: Workspace, tell: boolean): Promise<void> {
    const roles = this.#rolesOf(workspace);
    const { carrier } = roles;
    if (carrier === undefined) return;
    delete roles.carrier;
    this.#show(workspace);
    await carrier.finish(tell);
    this.#parts.onChange(workspace);
  }

  async #note(workspace: Workspace, lanChange: LanChange | undefined): Promise<void> {
    await workspace.change(({ lanChange: _, ...rest }) =>
      lanChange === undefined ? rest : { ...rest, lanChange },
    );
  }

  #surroundings(workspace: Workspace) {
    const { log, now, onChange } = this.#parts;
    const changed = (): void => {
      this.#show(workspace);
      onChange(workspace);
    };
    return { log, now, onChange: changed };
  }

  #rolesOf(workspace: Workspace): Roles {
    const known = this.#roles.get(workspace.name);
    if (known !== undefined) return known;
    const roles: Roles = { shortfalls: [] };
    this.#roles.set(workspace.name, roles);
    return roles;
  }

  #set(workspace: Workspace, roles: Partial<Roles>): void {
    Object.assign(this.#rolesOf(workspace), roles);
    this.#show(workspace);
  }

  #show(workspace: Workspace): void {
    const roles = this.#rolesOf(workspace);
    if (roles.keeper?.isOver === true) delete roles.keeper;
    workspace.anchor = roles.carrier ?? roles.keeper;
  }
}
