import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { SuspendOutcome } from '../../protocol/suspension.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { OutgoingMigration } from '../qemu/outgoing-migration.ts';
import { readFilling } from '../qemu/read-filling.ts';
import type { ImageFiles } from '../suspend/image-files.ts';
import type { ImageHead, SuspendedMachine } from '../suspend/image-head.ts';
import type { KeyHolder, Recipient } from '../suspend/image-key.ts';
import { readStream } from '../suspend/image-reader.ts';
import { ImageWriter } from '../suspend/image-writer.ts';
import { SuspendedFolder } from '../suspend/suspended-folder.ts';
import type { RunningMachine } from '../workspace/running-machine.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { observeLimitMs } from './adapt-here.ts';
import { type ChooserSettings, readPolicyText } from './choose.ts';
import { discoverGuest } from './discover-guest.ts';
import { requireRoomFor } from './image-room.ts';
import { type Clock, type Emit, type Say, StageClock } from './stage-clock.ts';
import { StateSocket } from './state-socket.ts';
import { summarizeGuest } from './summarize-guest.ts';
import { TransferProgress } from './transfer-progress.ts';

export interface SuspendParts {
  readonly self: KeyHolder & Recipient;
  /** The user's other devices; they can resume it, too. */
  readonly owned: () => readonly (Recipient & { readonly name: string })[];
  readonly chooser: ChooserSettings;
  readonly clock: Clock;
}

export interface SuspendRequest {
  readonly directory: string;
  readonly now: boolean;
  readonly emit: Emit;
}

/** Closing its disk, ms. */
const settleLimitMs = 30_000;
/** From the wish to run on to a VM that runs, ms; QEMU may have to give up a write that hangs first. */
const runOnLimitMs = 60_000;
/** It stands still for as long as it takes once it is suspended; while it is being written it runs for as long as it pays, ms. */
const limits = { downtimeLimitMs: 2_000, maxDowntimeMs: 60_000 } as const;

/**
 * Writes the running VM to a directory, and ends it here when it is whole there, read back, and journaled. Whatever fails
 * up to then, the drive or the user, the VM runs on here; what has been written is used by the next try.
 */
export async function suspendWorkspace(
  workspace: Workspace,
  request: SuspendRequest,
  parts: SuspendParts,
  signal: AbortSignal,
): Promise<SuspendOutcome> {
  return await new Suspension(workspace, request, parts, signal).run();
}

class Suspension {
  readonly #workspace: Workspace;
  readonly #request: SuspendRequest;
  readonly #parts: SuspendParts;
  readonly #signal: AbortSignal;
  readonly #machine: RunningMachine;
  readonly #stages: StageClock;

  constructor(workspace: Workspace, request: SuspendRequest, parts: SuspendParts, signal: AbortSignal) {
    this.#workspace = workspace;
    this.#request = request;
    this.#parts = parts;
    this.#signal = signal;
    this.#machine = workspace.keeper.require();
    this.#stages = new StageClock(request.emit, parts.clock);
  }

  async run(): Promise<SuspendOutcome> {
    const { directory } = this.#request;
    const { clock, owned, self } = this.#parts;
    const { name, surroundings } = this.#workspace;
    const begin = clock.monotonic();
    const stages = this.#stages;
    const devices = owned();
    await using folder = await SuspendedFolder.make(directory, name);
    const { writer, files, key, guest } = await stages.run('prepare', (say) =>
      this.#prepare(folder, [self, ...devices], say),
    );
    const written = await this.#write(folder, files, key, writer, guest);
    await stages.run('settle', async () => {
      await this.#workspace.restSuspended(AbortSignal.timeout(settleLimitMs));
      await this.#workspace.save({ suspended: { directory, image: written.id, at: written.at } });
      await folder.sweep(key, written.head).catch((error: unknown) => {
        surroundings.log.info(
          { workspace: name, err: error },
          'what the image does not need stays on the drive',
        );
      });
    });
    const { streamBytes, writtenBytes, pages } = writer.statistics;
    const { recipe, chunks } = written.head;
    return {
      workspace: name,
      directory,
      folder: folder.path,
      image: written.id,
      device: surroundings.self.host.name,
      simulated: surroundings.self.host.simulated,
      epoch: written.epoch,
      at: written.at,
      totalMs: Math.round(clock.monotonic() - begin),
      stoppedMs: written.stoppedMs,
      streamBytes,
      writtenBytes,
      imageBytes: [...recipe, ...chunks].reduce((sum, { bytes }) => sum + bytes, 0),
      pages,
      stages: stages.times,
      guest: guest === undefined ? null : summarizeGuest(guest),
      devices: devices.map((device) => device.name),
    };
  }

  async #prepare(folder: SuspendedFolder, recipients: readonly Recipient[], say: Say) {
    const { self } = this.#parts;
    const { contract } = this.#workspace.record;
    await folder.requireOurs(self, contract.uuid);
    const observed = discoverGuest(
      this.#machine.agent,
      AbortSignal.any([this.#signal, AbortSignal.timeout(observeLimitMs)]),
    );
    const key = await folder.keyFor(recipients, self);
    await folder.retract();
    const files = folder.filesFor(key, contract.uuid);
    const writer = new ImageWriter(files);
    let reusableBytes = 0;
    for await (const { file, hashes, fraction } of folder.known(files, this.#signal)) {
      writer.know(file, hashes);
      reusableBytes += file.bytes;
      say('reading what is there of an earlier image', fraction);
    }
    const { guest } = await observed;
    this.#signal.throwIfAborted();
    const filling = await readFilling(this.#machine.qmp, this.#signal);
    const memoryMiB = contract.baseMemoryMiB + filling.requestedPluggedMemoryMiB;
    const tight = requireRoomFor(memoryMiB, await folder.freeBytes(), reusableBytes, folder.path);
    if (tight !== undefined) this.#note(tight);
    return { writer, files, key, guest };
  }

  /** From the beginning of the stream to the journal; when it throws, the VM runs on here. */
  async #write(
    folder: SuspendedFolder,
    files: ImageFiles,
    key: Buffer,
    writer: ImageWriter,
    guest: GuestState | undefined,
  ) {
    const { clock } = this.#parts;
    const { handOver, paths } = this.#workspace;
    const { qemu } = this.#machine;
    const machine = await this.#describe(guest);
    const begun = this.#until((event) => event.kind === 'rejected', this.#signal);
    await handOver.input({ in: 'save' });
    if (handOver.state.position.at !== 'owner' || !('saving' in handOver.state)) throw refusal(await begun);
    await using socket = await StateSocket.listen(paths.run.outgoingSocket);
    try {
      const taking = socket.take(writer);
      taking.catch(() => undefined); // raced with, then awaited
      const outgoing = await this.#stages.run('transfer', async (say) => {
        if (this.#request.now) await qemu.qmp.execute('stop', {}, this.#signal);
        const progress = new TransferProgress(say, () => writer.statistics.writtenBytes);
        const started = await OutgoingMigration.start(
          qemu.qmp,
          {
            socket: this.#machine.seen.outgoingSocket,
            limits,
            purpose: 'suspend',
            onEvent: (event) => progress.take(event),
          },
          this.#signal,
        );
        await Promise.race([started.untilPreSwitchover(this.#signal), taking.then(never)]);
        return started;
      });
      const stopped = clock.monotonic();
      const at = clock.wall();
      return await this.#stages.run('hand-over', async (say) => {
        await Promise.race([outgoing.finish(this.#signal), socket.failure]);
        await handOver.input({ in: 'vm-switched' });
        await taking;
        const head: ImageHead = { ...(await writer.finish()), machine: { ...machine, at } };
        await this.#readBack(files, head, say);
        const id = await folder.publish(key, head);
        await folder.requireMounted();
        this.#signal.throwIfAborted();
        const epoch = await this.#giveUpTheRunningOne(id);
        return { id, head, at, epoch, stoppedMs: Math.round(clock.monotonic() - stopped) };
      });
    } catch (error) {
      throw await this.#runOn(error, socket);
    }
  }

  async #describe(guest: GuestState | undefined): Promise<Omit<SuspendedMachine, 'at'>> {
    const { name, record, surroundings } = this.#workspace;
    const { chooser } = this.#parts;
    const policy = await readPolicyText(record.policy);
    const { links } = await chooser.discoverHost(this.#signal);
    return {
      workspace: name,
      homeDevice: record.homeDevice,
      device: { id: surroundings.self.id, name: surroundings.self.host.name },
      contract: record.contract,
      filling: await readFilling(this.#machine.qmp, this.#signal),
      guestAddresses: guest?.network.addresses ?? record.guestAddresses,
      network: {
        links,
        ...(record.allocation === undefined ? {} : { allocation: record.allocation.network }),
      },
      ...(guest === undefined ? {} : { guest }),
      ...(policy === undefined ? {} : { policy }),
    };
  }

  /** What cannot be made again from the directory to the last bit is no image. */
  async #readBack(files: ImageFiles, head: ImageHead, say: Say): Promise<void> {
    let read = 0;
    for await (const piece of readStream(files, head)) {
      this.#signal.throwIfAborted();
      read += piece.length;
      say('reading it back', read / head.stream.bytes);
    }
  }

  /** Returns the epoch that the image is; from the journal's entry on it is the VM. */
  async #giveUpTheRunningOne(image: string): Promise<number> {
    const { handOver } = this.#workspace;
    const ended = this.#until(
      (event) => event.kind === 'suspended' || event.kind === 'withdrawn' || event.kind === 'rejected',
      AbortSignal.timeout(runOnLimitMs),
    );
    await handOver.input({ in: 'image-whole', image });
    const end = await ended;
    if (end.kind === 'suspended') return end.epoch;
    throw refusal(end);
  }

  /** Lets the VM run on, and returns what is to be thrown. */
  async #runOn(error: unknown, socket: StateSocket): Promise<DockError> {
    const { handOver, surroundings, name } = this.#workspace;
    const cause = this.#signal.aborted
      ? DockError.from(this.#signal.reason, 'cancelled')
      : DockError.from(socket.error ?? error);
    await socket[Symbol.asyncDispose]();
    if (!('saving' in handOver.state)) return cause;
    const running = this.#until((event) => event.kind === 'withdrawn', AbortSignal.timeout(runOnLimitMs));
    await handOver.input({ in: 'save-failed', reason: cause.message.slice(0, 500) });
    await running.catch((late: unknown) => {
      surroundings.log.error({ workspace: name, err: late }, 'it does not run on');
    });
    return new DockError(cause.kind, `"${name}" was not suspended and runs on here: ${cause.message}`, {
      cause,
      ...(cause.detail === undefined ? {} : { detail: cause.detail }),
    });
  }

  #until(wanted: (event: HandOverEvent) => boolean, signal: AbortSignal): Promise<HandOverEvent> {
    return this.#workspace.handOver.until(wanted, signal);
  }

  #note(text: string): void {
    this.#request.emit({ kind: 'note', at: this.#parts.clock.wall(), text });
  }
}

/** The stream has ended before it should. */
function never(): never {
  throw new DockError('io', "QEMU's stream ended before the memory was whole");
}

function refusal(event: HandOverEvent): DockError {
  return new DockError(
    'conflict',
    `it cannot be suspended: ${'reason' in event ? event.reason : event.kind}`,
  );
}
