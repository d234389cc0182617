import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { workspacePaths } from '../../host-plugins/workspace/paths.ts';
import { type StageName, stageNames } from '../../protocol/progress-event.ts';
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

/** The lab's two devices with wdockd, the PC as big as the MID: what a trip takes is the move of the same guest. */
export class WdockPair implements Traveller {
  readonly #lab: Lab;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Returns when the guest runs on the MID, as it was saved. */
  static async start(
    guest: LabGuest,
    link: LinkShapeName,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WdockPair> {
    const policy = sameSize(guest.settled.contract.baseMemoryMiB);
    const policies = { mid: policy, pc: policy };
    return new WdockPair(await Lab.start(guest, { link, pc: 'twin', policies, progress }, signal));
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

  async move(to: Place, onRunning: () => void, signal: AbortSignal): Promise<OwnFigures> {
    const outcome = await this.#lab.mid.trip(
      to === 'pc' ? ['dock', 'pc'] : ['undock'],
      (event) => {
        if (event.kind === 'stage-done' && event.stage === 'hand-over') onRunning();
      },
      signal,
    );
    const { stages, downtimeMs, wireBytes } = outcome;
    const sum = (wanted: readonly string[]) =>
      stages.filter(({ name }) => wanted.includes(name)).reduce((total, { ms }) => total + ms, 0);
    return { totalMs: sum(before), moveMs: sum(move), downtimeMs, ownBytes: wireBytes, stages };
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
