import { DockError } from '../../protocol/dock-error.ts';
import type { IpSettings, NetworkChange } from '../decide/choose-network-settings.ts';
import { type IpAddress, networkOfIPv6, sameAddress } from '../decide/ip-address.ts';
import { findAdvertisedPrefixes } from '../observe/parse-kernel-text.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import type { NetworkManager } from './network-manager.ts';
import type { ProbingPause } from './probing-pause.ts';
import { keepStaying, stayingOver } from './staying-addresses.ts';

/** How long the LAN may take to give an address before the one that was kept beside it is left for good. */
const answerLimitMs = 120_000;

type Renewed = IpSettings & { readonly kind: 'renewed' };

/**
 * The time after a change with `renewed` addresses, in the background, until the LAN has answered. An IPv4 address is
 * then DHCP's. An IPv6 address that the LAN gives again stays fixed beside it: a Reapply forgets the routers, and to
 * hand the address over would take it away until the next one is heard. One that the LAN gives no more goes.
 */
export class NetworkRenewal {
  readonly #files: SystemFiles;
  readonly #pause: ProbingPause;
  readonly #manager: NetworkManager;
  readonly #note: (text: string) => void;
  #running = new AbortController();

  constructor(
    files: SystemFiles,
    pause: ProbingPause,
    manager: NetworkManager,
    note: (text: string) => void,
  ) {
    this.#files = files;
    this.#pause = pause;
    this.#manager = manager;
    this.#note = note;
  }

  stop(): void {
    this.#running.abort(new DockError('cancelled', 'the network was bound again'));
  }

  start(name: string, device: string, change: NetworkChange): void {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    const { signal } = running;
    let { ip4, ip6 } = change;
    if (ip4.kind !== 'renewed' && ip6.kind !== 'renewed') return;

    const look = async (): Promise<void> => {
      if (signal.aborted) return;
      if (ip4.kind === 'renewed' && (await this.#manager.readLease(device, signal)) !== undefined) {
        const settled: IpSettings = { kind: 'saved', beside: ip4.beside };
        await this.#reapply(
          name,
          device,
          { ...change, ip4: settled, ip6: { kind: 'unchanged' } },
          ip6,
          signal,
        );
        ip4 = settled;
      }
      if (ip6.kind === 'renewed') {
        const settled = await this.#settleIPv6(name, device, ip6, signal);
        if (settled !== undefined && settled.kind !== 'unchanged')
          await this.#reapply(
            name,
            device,
            { ...change, ip4: { kind: 'unchanged' }, ip6: settled },
            settled,
            signal,
          );
        ip6 = settled ?? ip6;
      }
      if (ip4.kind !== 'renewed' && ip6.kind !== 'renewed') finish(new DockError('cancelled', 'done'));
    };
    let looking = Promise.resolve();
    const lookAgain = (): void => {
      looking = looking.then(look);
      looking.catch(finish);
    };
    const finish = (why: unknown): void => {
      clearTimeout(timer);
      stopListening();
      if (signal.aborted) return;
      const reason = DockError.from(why);
      if (reason.kind !== 'cancelled') this.#note(`kept addresses stay beside new ones: ${reason.message}`);
      running.abort(reason);
    };
    const timer = setTimeout(
      () => finish(new DockError('timeout', 'the LAN gave no address')),
      answerLimitMs,
    );
    const stopListening = this.#manager.listenToChanges(lookAgain);
    signal.addEventListener('abort', () => finish(signal.reason), { once: true });
    lookAgain();
  }

  /** undefined while the LAN has not said enough; `unchanged` where it gives every address again. */
  async #settleIPv6(
    name: string,
    device: string,
    wish: Renewed,
    signal: AbortSignal,
  ): Promise<IpSettings | undefined> {
    const shown = await runProgram(
      ['ip', '-json', '-6', 'route', 'show', 'dev', name, 'proto', 'ra'],
      5000,
      signal,
    );
    const prefixes = findAdvertisedPrefixes(shown);
    if (prefixes === undefined) return undefined;
    const lease = await this.#manager.readLease(device, signal, 6);
    const isGiven = (one: IpAddress): boolean =>
      wish.beside.some(({ address }) => sameAddress(address, one.address)) ||
      (lease !== undefined && sameAddress(lease, one.address)) ||
      (one.prefix < 128 && prefixes.some((prefix) => isWithin(one, prefix)));
    const lost = wish.addresses.filter((one) => !isGiven(one));
    if (lost.length === 0) return { kind: 'unchanged' };
    // Those that stand alone came from DHCP, which answers later.
    if (lease === undefined && lost.every(({ prefix }) => prefix === 128)) return undefined;
    return { kind: 'saved', beside: wish.addresses.filter(isGiven) };
  }

  async #reapply(
    name: string,
    device: string,
    change: NetworkChange,
    ip6: IpSettings,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#pause.begin(name);
    const reapply = () => this.#manager.reapply(device, change, signal);
    await keepStaying(this.#files, name, stayingOver({ ip6 }, name, []), reapply, signal);
  }
}

function isWithin({ address }: IpAddress, { address: network, prefix }: IpAddress): boolean {
  const own = networkOfIPv6({ address, prefix });
  return own !== undefined && sameAddress(own, network);
}
