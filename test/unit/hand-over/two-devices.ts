import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HandOverDriver, type HandOverPorts } from '../../../host-plugins/hand-over/hand-over-driver.ts';
import { JournalFile } from '../../../host-plugins/hand-over/journal/journal-file.ts';
import type { JournalPort } from '../../../host-plugins/hand-over/ports.ts';
import type { Position } from '../../../host-plugins/hand-over/position.ts';
import type { DiskEvidence, HandOverEvent, VmState } from '../../../host-plugins/hand-over/state.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { HandOverMessage } from '../../../protocol/hand-over-messages.ts';

const workspace = 'work';
const retryMs = 10;

/** A device: the real driver on a real journal; its QEMU and its wire are played. */
export class PlayedDevice {
  readonly name: string;
  readonly events: HandOverEvent[] = [];
  qemu: VmState = 'gone';
  disk: DiskEvidence = 'unknown';
  /** Thrown by the next `resume`. */
  resumeFails: DockError | undefined;
  /** Asked before each append to the journal. */
  journalFails: (position: Position) => DockError | undefined = () => undefined;
  /** Asked about each message that this device sends. */
  loses: (message: HandOverMessage) => boolean = () => false;
  handOver!: HandOverDriver;
  other!: PlayedDevice;
  readonly #folder: string;
  readonly #home: string;

  constructor(name: string, home: string, folder: string) {
    this.name = name;
    this.#home = home;
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const file = await JournalFile.open(join(this.#folder, this.name), { now: () => 0 });
    this.handOver = new HandOverDriver(this.#journal(file), {
      workspace,
      settings: { self: this.name, home: this.#home },
      ports: this.#ports(),
      onEvent: (event) => this.events.push(event),
      retryMs,
    });
  }

  /** As after a kill: what was in memory is forgotten, QEMU lives on. */
  async restart(): Promise<void> {
    await this.handOver[Symbol.asyncDispose]();
    await this.start();
    await this.handOver.recover();
  }

  until(...kinds: HandOverEvent['kind'][]): Promise<HandOverEvent> {
    return this.handOver.until((event) => kinds.includes(event.kind), AbortSignal.timeout(5_000));
  }

  get at(): string {
    return this.handOver.state.position.at;
  }

  #journal(file: JournalFile): JournalPort & AsyncDisposable {
    return {
      get position() {
        return file.position;
      },
      get isEmpty() {
        return file.isEmpty;
      },
      get entries() {
        return file.entries;
      },
      append: async (position, why) => {
        const failure = this.journalFails(position);
        if (failure !== undefined) throw failure;
        await file.append(position, why);
      },
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  }

  #ports(): HandOverPorts {
    return {
      peer: {
        send: async (to, message) => {
          if (to !== this.other.name || this.loses(message))
            throw new DockError('peer-gone', 'the link is down');
          // Answers only when the other device has handled it, as a call over a connection does.
          await this.other.handOver.receive(this.name, message);
        },
      },
      vm: {
        observe: async () => this.qemu,
        continueMigration: async () => {
          this.other.qemu = 'paused';
          this.qemu = 'postmigrate';
          void this.other.handOver.input({ in: 'vm-loaded' });
          void this.handOver.input({ in: 'vm-switched' });
        },
        resume: async () => {
          const failure = this.resumeFails;
          this.resumeFails = undefined;
          if (failure !== undefined) throw failure;
          this.qemu = 'running';
        },
        quit: async () => {
          this.qemu = 'gone';
        },
        powerCut: async () => {
          this.qemu = 'running';
        },
        inspectDisk: async () => this.disk,
      },
    };
  }
}

/** `mid` owns the running VM and has its disk; `dock` has heard of nothing. */
export class TwoDevices implements AsyncDisposable {
  readonly mid: PlayedDevice;
  readonly dock: PlayedDevice;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.mid = new PlayedDevice('mid', 'mid', folder);
    this.dock = new PlayedDevice('dock', 'mid', folder);
    this.mid.other = this.dock;
    this.dock.other = this.mid;
  }

  static async start(): Promise<TwoDevices> {
    const devices = new TwoDevices(await mkdtemp(join(tmpdir(), 'hand-over-')));
    await devices.mid.start();
    await devices.dock.start();
    await devices.mid.handOver.found();
    devices.mid.qemu = 'running';
    return devices;
  }

  /** Up to pre-switchover: offered, accepted, all but the last state sent. */
  async transfer(): Promise<void> {
    await this.dock.handOver.input({ in: 'expect', peer: 'mid' });
    const accepted = this.mid.until('accepted');
    await this.mid.handOver.input({ in: 'offer', peer: 'dock' });
    await accepted;
    this.dock.qemu = 'inmigrate';
    this.mid.qemu = 'stopping';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mid.handOver[Symbol.asyncDispose]();
    await this.dock.handOver[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
