import type { Logger } from 'pino';
import type { AnchorStatus } from '../../protocol/control-methods.ts';
import type { LanChange } from '../../protocol/host-profile.ts';
import { CarryingEnd, removeCarrying } from '../anchor/carrying-end.ts';
import { askAgent } from '../contract/ask-agent.ts';
import { anchorTapName, channelNames } from '../workspace/paths.ts';
import type { Workspace } from '../workspace/workspace.ts';

/** How often the guest is asked for open connections, ms: the kernel tells nobody when the last one closes. */
const askEveryMs = 5_000;
const askLimitMs = 4_000;
/** So often in a row there must be none: a program may be about to open the next. */
const silentRounds = 2;
/** Telling the other device that it is over, ms; where it cannot be reached, its own time limit ends it. */
const tellLimitMs = 60_000;

export interface CarrierSurroundings {
  readonly log: Logger;
  readonly onChange: () => void;
  /** Nothing needs the addresses any more, or nobody keeps them: the guest is to lose them. */
  readonly onUnused: (why: string) => void;
}

/** This device as the one that has the guest, and carries the traffic of the addresses that another device keeps for it. */
export class AnchorCarrier implements AsyncDisposable {
  readonly #workspace: Workspace;
  readonly #anchor: NonNullable<LanChange['anchor']>;
  readonly #surroundings: CarrierSurroundings;
  readonly #asking: NodeJS.Timeout;
  readonly #closing = new AbortController();
  #end: CarryingEnd | undefined;
  #connections: number | undefined;
  #rounds = 0;
  #busy = false;
  #told = false;

  private constructor(
    workspace: Workspace,
    anchor: NonNullable<LanChange['anchor']>,
    surroundings: CarrierSurroundings,
  ) {
    this.#workspace = workspace;
    this.#anchor = anchor;
    this.#surroundings = surroundings;
    this.#asking = setInterval(() => void this.#ask(), askEveryMs);
    this.#asking.unref();
  }

  /** Lays the way on this host; the VM's tap must be there. Throws when this host cannot, and nothing is left then. */
  static async lay(
    workspace: Workspace,
    anchor: NonNullable<LanChange['anchor']>,
    surroundings: CarrierSurroundings,
    signal: AbortSignal,
  ): Promise<AnchorCarrier> {
    const carrier = new AnchorCarrier(workspace, anchor, surroundings);
    const { paths, name, record, tap } = workspace;
    const { log, onChange } = surroundings;
    try {
      carrier.#end = await CarryingEnd.lay(
        {
          channels: workspace.surroundings.channels,
          network: workspace.surroundings.network,
          deviceId: anchor.deviceId,
          channelName: channelNames.anchor(name),
          guest: { addresses: anchor.addresses, mac: record.contract.macAddress },
          guestTap: tap,
          anchorTap: anchorTapName.carrying(name),
          pidFile: `${paths.run.folder}/carrying.pid.json`,
          logFile: `${paths.run.folder}/carrying.log`,
          answerAtOnce: record.allocation?.network.mode !== 'bridged',
          onLink: (link) => {
            log.info({ workspace: name, ...link }, 'the traffic of the anchor');
            onChange();
          },
          onOver: () => carrier.#unused('the other device keeps them no more'),
        },
        signal,
      );
      return carrier;
    } catch (error) {
      clearInterval(carrier.#asking);
      throw error;
    }
  }

  /** Takes away what an earlier life of wdockd may have left. Nothing there is no error. */
  static async removeLeft(workspace: Workspace, signal: AbortSignal): Promise<void> {
    const { network } = workspace.surroundings;
    await removeCarrying({ network, anchorTap: anchorTapName.carrying(workspace.name) }, signal);
  }

  get status(): AnchorStatus {
    const link = this.#end?.link ?? { state: 'connecting' as const };
    return {
      role: 'carries',
      addresses: [...this.#anchor.addresses],
      device: this.#workspace.surroundings.nameOf(this.#anchor.deviceId),
      link: link.state,
      ...('why' in link && link.why !== undefined ? { detail: link.why } : {}),
      ...(this.#connections === undefined ? {} : { connections: this.#connections }),
    };
  }

  /** The anchor is over, here and at the other device; returns at once where that cannot be told (`tell`: false). */
  async finish(tell: boolean): Promise<void> {
    clearInterval(this.#asking);
    const { log } = this.#surroundings;
    try {
      await this.#end?.finish(tell ? AbortSignal.timeout(tellLimitMs) : AbortSignal.abort());
    } catch (error) {
      log.error(
        { workspace: this.#workspace.name, err: error },
        'the way of the anchor could not be taken away',
      );
    }
    this.#closing.abort();
  }

  /** Lets go; a successor goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#asking);
    this.#closing.abort();
    await this.#end?.[Symbol.asyncDispose]();
  }

  async #ask(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const connections = await this.#count();
      if (connections === undefined || this.#closing.signal.aborted) return;
      if (connections !== this.#connections) {
        this.#connections = connections;
        this.#surroundings.onChange();
      }
      this.#rounds = connections === 0 ? this.#rounds + 1 : 0;
      if (this.#rounds >= silentRounds) this.#unused('no connection uses them');
    } catch {
      // closing
    } finally {
      this.#busy = false;
    }
  }

  /** Undefined while that cannot be known: the guest moves, is being adapted, or does not answer. */
  async #count(): Promise<number | undefined> {
    const { machine, isOwner, arrival, activity, adaptation } = this.#workspace;
    if (!isOwner) return arrival === undefined ? 0 : undefined;
    if (activity.kind !== 'idle' || adaptation?.underWay === true) return undefined;
    if (machine === undefined) return 0;
    const { addresses } = this.#anchor;
    const asked = await askAgent(
      machine,
      'address-use',
      { addresses: [...addresses] },
      askLimitMs,
      this.#closing.signal,
    );
    return asked.answered ? asked.result.connections : undefined;
  }

  #unused(why: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#surroundings.onUnused(why);
  }
}
