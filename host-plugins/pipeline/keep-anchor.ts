import type { Logger } from 'pino';
import type { AnchorStatus } from '../../protocol/control-methods.ts';
import { AnchoringEnd } from '../anchor/anchoring-end.ts';
import { forgetKeptAnchor, type KeptAnchor, readKeptAnchor, writeKeptAnchor } from '../anchor/kept-anchor.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { anchorTapName, channelNames } from '../workspace/paths.ts';
import type { Workspace } from '../workspace/workspace.ts';

/** Each change on this host, ms. */
const changeLimitMs = 20_000;

export interface KeeperSurroundings {
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What `status` shows has changed. */
  readonly onChange: () => void;
}

/**
 * This device as the anchor of one workspace: the guest leaves, or has left, and its addresses stay. Written down
 * before the VM is released, begun when it is, and ended when the other device says so, when the VM comes back or when
 * the policy's time has passed.
 */
export class AnchorKeeper implements AsyncDisposable {
  readonly #workspace: Workspace;
  readonly #surroundings: KeeperSurroundings;
  readonly #kept: KeptAnchor;
  readonly #end: AnchoringEnd;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  private constructor(workspace: Workspace, kept: KeptAnchor, surroundings: KeeperSurroundings) {
    this.#workspace = workspace;
    this.#kept = kept;
    this.#surroundings = surroundings;
    const { log, onChange } = surroundings;
    const { paths, name, record } = workspace;
    this.#end = new AnchoringEnd({
      channels: workspace.surroundings.channels,
      network: workspace.surroundings.network,
      channelName: channelNames.anchor(name),
      guest: { addresses: kept.addresses, mac: record.contract.macAddress },
      uplink: kept.uplink,
      anchorTap: anchorTapName.anchoring(name),
      pidFile: `${paths.run.folder}/anchoring.pid.json`,
      logFile: `${paths.run.folder}/anchoring.log`,
      mayCarry: (deviceId) => deviceId === kept.peer && !this.#over && workspace.isConcernOf(deviceId),
      onLink: (connected, why) => {
        log.info({ workspace: name, connected, why: why?.message }, 'the anchor kept here');
        onChange();
      },
      onOver: () => void this.finish('the other device needs it no more'),
    });
  }

  /** For a VM that will leave. Throws when this host cannot keep its addresses; then nothing is left of it. */
  static async prepare(
    workspace: Workspace,
    kept: KeptAnchor,
    surroundings: KeeperSurroundings,
    signal: AbortSignal,
  ): Promise<AnchorKeeper> {
    const keeper = new AnchorKeeper(workspace, kept, surroundings);
    await keeper.#end.prepare(signal);
    try {
      await writeKeptAnchor(workspace.paths.anchor, kept);
    } catch (error) {
      await keeper.#end.end(AbortSignal.timeout(changeLimitMs));
      throw error;
    }
    return keeper;
  }

  /** After a restart of wdockd: what was kept goes on, what is over is put away. */
  static async recover(
    workspace: Workspace,
    surroundings: KeeperSurroundings,
    signal: AbortSignal,
  ): Promise<AnchorKeeper | undefined> {
    const { paths, name } = workspace;
    const kept = await readKeptAnchor(paths.anchor);
    if (kept === undefined) {
      await workspace.surroundings.network.removeTap(anchorTapName.anchoring(name), signal);
      return undefined;
    }
    const keeper = new AnchorKeeper(workspace, kept, surroundings);
    if (workspace.isOwner || surroundings.now() >= kept.untilMs || !workspace.isConcernOf(kept.peer)) {
      await keeper.finish('it was over when wdockd started');
      return undefined;
    }
    await keeper.#end.prepare(signal);
    await keeper.#begin();
    return keeper;
  }

  get isOver(): boolean {
    return this.#over;
  }

  get status(): AnchorStatus {
    const { addresses, peer, untilMs } = this.#kept;
    return {
      role: 'keeps',
      addresses: [...addresses],
      device: this.#workspace.surroundings.nameOf(peer),
      link: this.#end.connected ? 'connected' : 'connecting',
      until: new Date(untilMs).toISOString(),
    };
  }

  async follow(event: HandOverEvent): Promise<void> {
    switch (event.kind) {
      case 'released':
      case 'voided':
        await this.#begin();
        break;
      case 'ready':
        // The VM stands still and will run here: its own binding announces it then, and this one must not take that back.
        await this.#end.pause(AbortSignal.timeout(changeLimitMs));
        break;
      case 'withdrawn':
      case 'taken-back':
      case 'running':
      case 'forced':
        await this.finish('the VM is on this device');
        break;
      default:
        break;
    }
  }

  async finish(why: string): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const { log, onChange } = this.#surroundings;
    await forgetKeptAnchor(this.#workspace.paths.anchor);
    try {
      await this.#end.end(AbortSignal.timeout(changeLimitMs));
      log.info({ workspace: this.#workspace.name, why }, 'the anchor kept here is over');
    } catch (error) {
      log.error(
        { workspace: this.#workspace.name, err: error },
        'the anchor kept here could not be taken away',
      );
    }
    onChange();
  }

  /** Lets go; a successor goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#end[Symbol.asyncDispose]();
  }

  async #begin(): Promise<void> {
    clearTimeout(this.#timer);
    const leftMs = Math.max(0, this.#kept.untilMs - this.#surroundings.now());
    this.#timer = setTimeout(() => void this.finish('its time has passed'), leftMs);
    this.#timer.unref();
    await this.#end.begin(AbortSignal.timeout(changeLimitMs));
    this.#surroundings.onChange();
  }
}
