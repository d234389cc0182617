import type { AgentParams } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { chooseNetworkSettings, type NetworkChange } from '../decide/choose-network-settings.ts';
import { findDefaultRoute } from '../observe/parse-kernel-text.ts';
import { findHardwareInterface, resolveNeighbour } from '../observe/read-network.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import type { NetworkManager } from './network-manager.ts';

/** How long DHCP may take before the address that was kept beside it is left for good. */
const leaseLimitMs = 120_000;

type Wish = AgentParams<'apply-network'>;

/** Re-binds the guest's interface to the network of the host that it is on. */
export class NetworkBinding {
  readonly #files: SystemFiles;
  readonly #manager: NetworkManager;
  readonly #note: (text: string) => void;
  /** The wait for DHCP that the last binding began. */
  #renewing = new AbortController();

  constructor(files: SystemFiles, manager: NetworkManager, note: (text: string) => void) {
    this.#files = files;
    this.#manager = manager;
    this.#note = note;
  }

  /**
   * Returns what could not be done. In this order: the connection is changed in place, neighbours learned on the
   * other host are forgotten, and the gateway is asked for again, which at the same time tells the LAN where the
   * guest is now (a broadcast ARP request carries its sender).
   */
  async apply(wish: Wish, signal: AbortSignal): Promise<string[]> {
    this.close();
    const files = this.#files;
    const route = findDefaultRoute((await files.readIfThere('/proc/net/route')) ?? '');
    const name = route?.interface ?? (await findHardwareInterface(files));
    if (name === undefined) return ['the guest has no network interface'];
    const problems = await this.#reapply(name, wish, signal);
    // From now on the kernel announces the address by itself when the link comes back (ip-sysctl).
    await files.write(`/proc/sys/net/ipv4/conf/${name}/arp_notify`, '1').catch(() => {});
    try {
      await runProgram(['ip', 'neigh', 'flush', 'dev', name], 5000, signal);
    } catch (error) {
      problems.push(`neighbours could not be forgotten: ${DockError.from(error, 'io').message}`);
    }
    const now = findDefaultRoute((await files.readIfThere('/proc/net/route')) ?? '') ?? route;
    if (now !== undefined && (await resolveNeighbour(files, now, signal)) === undefined)
      problems.push(`the gateway ${now.gateway} does not answer on ${now.interface}`);
    return problems;
  }

  /** Stops what goes on in the background. */
  close(): void {
    this.#renewing.abort(new DockError('cancelled', 'the network was bound again'));
  }

  async #reapply(name: string, wish: Wish, signal: AbortSignal): Promise<string[]> {
    const manager = this.#manager;
    try {
      if (!(await manager.isRunning(signal)))
        return [`NetworkManager does not run; ${name} stays configured as it was`];
      const device = await manager.findDevice(name, signal);
      if (!(await manager.isConnected(device, signal)))
        return [`NetworkManager has no active connection on ${name}`];
      const change = chooseNetworkSettings(
        wish.mode,
        wish.metered,
        await manager.readSituation(device, signal),
      );
      await manager.reapply(device, change, signal);
      if (change.ip4.kind === 'renewed') this.#finishRenewal(device, change);
      return [];
    } catch (error) {
      if (signal.aborted) throw error;
      // NetworkManager is restarting, or the device left its active state just now: the move goes on.
      return [`NetworkManager did not re-apply ${name}: ${DockError.from(error).message}`];
    }
  }

  /** When DHCP has answered, the address that was kept beside it goes; where it is the same, nothing changes. */
  #finishRenewal(device: string, change: NetworkChange): void {
    this.#renewing = new AbortController();
    const { signal } = this.#renewing;
    const timer = setTimeout(() => stop(new DockError('timeout', 'DHCP did not answer')), leaseLimitMs);
    let looking = Promise.resolve();
    const look = (): void => {
      looking = looking.then(async () => {
        if (signal.aborted || (await this.#manager.readLease(device, signal)) === undefined) return;
        await this.#manager.reapply(device, { metered: change.metered, ip4: { kind: 'saved' } }, signal);
        stop(new DockError('cancelled', 'done'));
      });
      looking.catch(stop);
    };
    const stopListening = this.#manager.listenToChanges(look);
    const stop = (why: unknown): void => {
      clearTimeout(timer);
      stopListening();
      if (signal.aborted) return;
      const reason = DockError.from(why);
      if (reason.kind !== 'cancelled') this.#note(`the kept address stays beside DHCP's: ${reason.message}`);
      this.#renewing.abort(reason);
    };
    signal.addEventListener('abort', () => stop(signal.reason), { once: true });
    look();
  }
}
