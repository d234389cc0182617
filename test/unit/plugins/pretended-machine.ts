import type {
  GuestAgent,
  Qmp,
  QmpEvent,
  VirtualMachine,
} from '../../../host-plugins/contract/virtual-machine.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { contract, guest } from './samples.ts';

const mib = 1024 * 1024;

export interface Behaviour {
  /** virtio-mem changes by so much with each look at it. */
  readonly stepMiB?: number;
  /** The guest's driver never gives more than down to this plugged size. */
  readonly stuckAtMiB?: number;
  /** … until memory was released so many times. */
  readonly looseAfterReleases?: number;
  readonly plugUpToMiB?: number;
  readonly balloonUpToMiB?: number;
  readonly withoutBalloon?: boolean;
  readonly withoutAgent?: boolean;
  readonly deflateOnOom?: boolean;
  /** MemAvailable with everything plugged. */
  readonly usedMiB?: number;
  readonly onlines?: boolean;
}

/**
 * QEMU and a guest with virtio-mem and a balloon at the other end of the two wires (QMP and the agent's
 * channel), for behaviour that a real guest shows only when it is pushed hard.
 */
export class PretendedMachine implements VirtualMachine {
  readonly name = 'pretended';
  readonly contract = contract();
  readonly tap = 'wd-pretended';
  readonly guestAddresses: readonly string[] = [];
  readonly display = { setUiInfo: async () => {} };
  readonly qmp: Qmp;
  readonly agent: GuestAgent | undefined;
  readonly log: string[] = [];
  sizeMiB: number;
  requestedMiB: number;
  balloonMiB = 0;
  balloonGoalMiB = 0;
  releases = 0;
  usedMiB: number;
  readonly #behaviour: Behaviour;

  constructor(pluggedMiB: number, behaviour: Behaviour = {}) {
    this.sizeMiB = pluggedMiB;
    this.requestedMiB = pluggedMiB;
    this.#behaviour = behaviour;
    this.usedMiB = behaviour.usedMiB ?? 200;
    this.qmp = { execute: (command, args) => this.#execute(command, args), events: noEvents };
    this.agent = behaviour.withoutAgent === true ? undefined : { call: (method) => this.#call(method) };
  }

  get availableMiB(): number {
    return 512 + this.sizeMiB - this.balloonMiB - this.usedMiB;
  }

  async #execute<T>(command: string, args: object): Promise<T> {
    return this.#answer(command, args as Record<string, unknown>) as T;
  }

  #answer(command: string, args: Record<string, unknown>): unknown {
    switch (command) {
      case 'query-memory-devices':
        this.#work();
        return [
          {
            type: 'virtio-mem',
            data: {
              id: 'vmem0',
              size: this.sizeMiB * mib,
              'requested-size': this.requestedMiB * mib,
              'max-size': this.contract.maxPluggedMemoryMiB * mib,
              'block-size': 2 * mib,
            },
          },
        ];
      case 'qom-set':
        this.requestedMiB = Number(args['value']) / mib;
        this.log.push(`request ${this.requestedMiB}`);
        return {};
      case 'query-balloon':
        this.#needBalloon();
        this.balloonMiB = Math.min(
          this.balloonGoalMiB,
          this.#behaviour.balloonUpToMiB ?? Number.POSITIVE_INFINITY,
        );
        return { actual: (512 - this.balloonMiB) * mib };
      case 'balloon':
        this.#needBalloon();
        this.balloonGoalMiB = 512 - Number(args['value']) / mib;
        this.log.push(`balloon ${this.balloonGoalMiB}`);
        return {};
      case 'qom-list':
        return [{ name: 'balloon0', type: 'child<virtio-balloon-pci>' }];
      case 'qom-get':
        return this.#behaviour.deflateOnOom === true;
      default:
        throw new DockError('qemu-refused', `QEMU has no command ${command}`);
    }
  }

  #needBalloon(): void {
    if (this.#behaviour.withoutBalloon === true) {
      throw new DockError(
        'qemu-refused',
        'QEMU refused "query-balloon": No balloon device has been activated',
      );
    }
  }

  #work(): void {
    const {
      stepMiB = 100_000,
      stuckAtMiB = 0,
      looseAfterReleases = 100,
      plugUpToMiB = 100_000,
    } = this.#behaviour;
    const least = this.releases >= looseAfterReleases ? 0 : stuckAtMiB;
    const goal = Math.min(Math.max(this.requestedMiB, Math.min(least, this.sizeMiB)), plugUpToMiB);
    const way = goal - this.sizeMiB;
    this.sizeMiB += Math.sign(way) * Math.min(Math.abs(way), stepMiB);
  }

  async #call<T>(method: string): Promise<T> {
    this.log.push(method);
    if (method === 'release-memory') this.releases++;
    if (method === 'online-memory') {
      const onlineMiB = this.#behaviour.onlines === false ? 0 : this.sizeMiB;
      return { totalMiB: 470 + onlineMiB, problems: [] } as T;
    }
    if (method === 'observe') {
      const memory = { totalMiB: 472 + this.sizeMiB - this.balloonMiB, availableMiB: this.availableMiB };
      return guest({ memory }) as T;
    }
    return {} as T;
  }
}

async function* noEvents(): AsyncGenerator<QmpEvent> {}
