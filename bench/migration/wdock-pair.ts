import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { workspacePaths } from '../../host-plugins/workspace/paths.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import { type ProgressEvent, type StageName, stageNames } from '../../protocol/progress-event.ts';
import type { Progress } from '../../test/lab/cache/cached-build.ts';
import { Lab, labWorkspace } from '../../test/lab/lab.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import type { LabNetwork } from '../../test/lab/network/lab-network.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import type { OwnFigures, Place, SystemProcesses, Traveller } from './traveller.ts';

/** What the guest has by itself, so that it is the same guest for every system and nothing is plugged for a move. */
const sameSize = (mib: number) => `version: 1\nmemory:\n  max: ${mib} MiB\n`;

/** Up to here the VM does not run at the other end. */
const before = stageNames.slice(0, stageNames.indexOf('adapt'));
const move: readonly StageName[] = ['transfer', 'hand-over'];

interface WdockPairOptions {
  readonly link: LinkShapeName;
  /** The PC has the base image of the guest's disk. */
  readonly baseImage: boolean;
  /** The devices are joined by a cable of their own, too; default: `false`. */
  readonly cable?: boolean;
}

/** The lab's two devices with wdockd, the PC as big as the MID: what a trip takes is the move of the same guest. */
export class WdockPair implements Traveller {
  readonly #lab: Lab;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Returns when the guest runs on the MID, as it was saved. */
  static async start(
    guest: LabGuest,
    { link, baseImage, cable = false }: WdockPairOptions,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WdockPair> {
    const policy = sameSize(guest.settled.contract.baseMemoryMiB);
    const policies = { mid: policy, pc: policy };
    const base = guest.settled.backing.at(-1);
    const images = baseImage && base !== undefined ? { pcBaseImages: [dirname(base)] } : {};
    const lab = await Lab.start(guest, { link, cable, pc: 'twin', policies, ...images, progress }, signal);
    const pair = new WdockPair(lab);
    try {
      if (baseImage) await pair.#untilImageIsListed(signal);
      return pair;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A device lists its images when it has nothing else to do: some seconds after its start. */
  async #untilImageIsListed(signal: AbortSignal): Promise<void> {
    for (const { folder } of [this.#lab.mid, this.#lab.pc]) {
      const lists = () => readdir(`${folder}/state/base-images`).catch(() => []);
      while (!(await lists()).some((name) => /^[0-9a-f]{32}$/.test(name)))
        await sleep(200, undefined, { signal });
    }
  }

  async warmUp(signal: AbortSignal): Promise<void> {
    await this.#lab.mid.wdock(['workspace', 'warm-up', labWorkspace, 'pc'], signal);
  }

  get network(): LabNetwork {
    return this.#lab.network;
  }

  get address(): string {
    return this.#lab.guestAddress;
  }

  /** Everything of both devices is below it. */
  get folder(): string {
    return this.#lab.folder;
  }

  trip(to: Place, onEvent: (event: ProgressEvent) => void, signal: AbortSignal): Promise<TripOutcome> {
    return this.#lab.mid.trip(to === 'pc' ? ['dock', 'pc'] : ['undock'], onEvent, signal);
  }

  async move(to: Place, onRunning: () => void, signal: AbortSignal): Promise<OwnFigures> {
    const onEvent = (event: ProgressEvent): void => {
      if (event.kind === 'stage-done' && event.stage === 'hand-over') onRunning();
    };
    const outcome = await this.trip(to, onEvent, signal);
    const { stages, downtimeMs, wireBytes } = outcome;
    const sum = (wanted: readonly string[]) =>
      stages.filter(({ name }) => wanted.includes(name)).reduce((total, { ms }) => total + ms, 0);
    const own = { ownBytes: wireBytes, pages: outcome.pages };
    return { totalMs: sum(before), moveMs: sum(move), downtimeMs, ...own, stages };
  }

  processes(place: Place): SystemProcesses {
    const host = this.#lab[place];
    const { run } = workspacePaths(`${host.folder}/state`, `${host.folder}/run`, labWorkspace);
    return { qemu: readPid(run.qemuPid), wdockd: host.daemonPid };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
  }
}

const PidFile = z.object({ pid: z.int() });

/** undefined where none runs: then there is no such file. */
function readPid(pidFile: string): number | undefined {
  try {
    return PidFile.parse(JSON.parse(readFileSync(pidFile, 'utf8'))).pid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
