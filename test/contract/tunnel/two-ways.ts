import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Namespace } from '../plugins/network-fixture.ts';
import { TunnelDevice, type TunnelDeviceOptions, type TunnelFacts } from './tunnel-device.ts';

const port = 7440;
export const ways = ['eth0', 'eth1'] as const;
export type Way = (typeof ways)[number];
const networks = { eth0: '10.91.0', eth1: '10.92.0' } as const;

/**
 * Two devices in namespaces of their own with two cables between them. They know each other's address on the first
 * one only.
 */
export class TwoWays implements AsyncDisposable {
  readonly mid: TunnelDevice;
  readonly pc: TunnelDevice;
  readonly #hosts: { readonly mid: Namespace; readonly pc: Namespace };
  readonly #cleanup: AsyncDisposableStack;

  private constructor(
    parts: { mid: TunnelDevice; pc: TunnelDevice; hosts: { mid: Namespace; pc: Namespace } },
    cleanup: AsyncDisposableStack,
  ) {
    this.mid = parts.mid;
    this.pc = parts.pc;
    this.#hosts = parts.hosts;
    this.#cleanup = cleanup;
  }

  static async create(
    options: Pick<TunnelDeviceOptions, 'patienceMs'> & { ways?: readonly Way[] } = {},
  ): Promise<TwoWays> {
    await using cleanup = new AsyncDisposableStack();
    const hosts = {
      mid: cleanup.use(await Namespace.create('mid')),
      pc: cleanup.use(await Namespace.create('pc')),
    };
    for (const way of options.ways ?? ways) {
      await hosts.mid.run(
        'ip',
        'link',
        'add',
        way,
        'type',
        'veth',
        'peer',
        'name',
        way,
        'netns',
        hosts.pc.name,
      );
      for (const [host, digit] of [[hosts.mid, 1] as const, [hosts.pc, 2] as const]) {
        await host.run('ip', 'address', 'add', `${networks[way]}.${digit}/24`, 'dev', way);
        await host.run('ip', 'link', 'set', way, 'up');
      }
    }
    for (const host of [hosts.mid, hosts.pc])
      for (const way of options.ways ?? ways) await untilRunning(host, way);
    const start = async (name: 'mid' | 'pc') =>
      cleanup.use(
        await TunnelDevice.start({ ...options, name, namespace: hosts[name].name, address: '0.0.0.0', port }),
      );
    const [mid, pc] = [await start('mid'), await start('pc')];
    const made = new TwoWays({ mid, pc, hosts }, cleanup.move());
    await mid.trust(pc, `${networks.eth0}.2`);
    await pc.trust(mid, `${networks.eth0}.1`);
    return made;
  }

  /** Nothing gets through any more, and nobody is told: as out of reach of an access point. */
  async cut(...which: readonly Way[]): Promise<void> {
    const { mid } = this.#hosts;
    const chains = which.flatMap((way) =>
      [
        ['input', 'iifname'],
        ['output', 'oifname'],
      ].map(
        ([hook, key]) =>
          `add chain inet cut ${way}_${hook} { type filter hook ${hook} priority 0; }; add rule inet cut ${way}_${hook} ${key} ${way} drop`,
      ),
    );
    await mid.run('nft', `add table inet cut; ${chains.join('; ')}`);
  }

  async restore(): Promise<void> {
    await this.#hosts.mid.run('nft', 'delete table inet cut');
  }

  /** As a cable that is pulled: the interface says so. */
  async pull(way: Way): Promise<void> {
    await this.#hosts.pc.run('ip', 'link', 'set', way, 'down');
  }

  async plugIn(way: Way): Promise<void> {
    await this.#hosts.pc.run('ip', 'link', 'set', way, 'up');
  }

  async shape(way: Way, mbit: number): Promise<void> {
    for (const host of [this.#hosts.mid, this.#hosts.pc]) {
      const shape = ['tbf', 'rate', `${mbit}mbit`, 'burst', '128kb', 'latency', '50ms'];
      await host.run('tc', 'qdisc', 'replace', 'dev', way, 'root', ...shape);
    }
  }

  addressOfPc(way: Way): string {
    return `${networks[way]}.2`;
  }

  /** A program beside pc; whoever starts it ends it. */
  inPc(...argv: string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.#hosts.pc.name, ...argv], { stdio: 'ignore' });
  }

  /** What a program beside mid prints, whatever its exit status. */
  async fromMid(...argv: string[]): Promise<string> {
    const child = spawn('ip', ['netns', 'exec', this.#hosts.mid.name, ...argv], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return await text(child.stdout);
  }

  /** mid's session, once this holds of it. */
  async until(holds: (facts: TunnelFacts) => boolean, from: TunnelDevice = this.mid): Promise<TunnelFacts> {
    for (;;) {
      const facts = await from.facts();
      if (facts !== undefined && holds(facts)) return facts;
      await delay(50);
    }
  }

  /** pc has so much of what is sent on a channel. */
  async untilArrived(channel: string, bytes: number): Promise<void> {
    for (;;) {
      const sink = await this.pc.call<{ bytes: number } | undefined>('sink', channel);
      if ((sink?.bytes ?? 0) >= bytes) return;
      await delay(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }
}

/** The kernel says up to a second late that an interface has its carrier; until then nobody lists its addresses. */
async function untilRunning(host: Namespace, way: Way): Promise<void> {
  while (!(await host.run('ip', 'link', 'show', 'dev', way)).includes('state UP')) await delay(20);
}
