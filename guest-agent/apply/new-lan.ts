import { networkInterfaces } from 'node:os';
import { DockError } from '../../protocol/dock-error.ts';
import { isIPv6, isLinkLocal, sameAddress } from '../decide/ip-address.ts';
import { runProgram } from '../run-program.ts';
import { withinSignals } from '../within-signals.ts';
import { hasAddresses } from './link-settings.ts';
import type { NetworkManager } from './network-manager.ts';

/** How long the new LAN may take to give an address, ms; NetworkManager goes on asking after that. */
const answerLimitMs = 15_000;

export interface NewLan {
  readonly manager: NetworkManager;
  readonly device: string;
  readonly name: string;
  /** When the LAN was asked, milliseconds since 1970. */
  readonly startedMs: number;
  readonly keep: readonly string[];
}

/** Waits until DHCP of the new LAN has given an address and the interface has it; or says what the guest is left with. */
export async function waitForNewLan(lan: NewLan, signal: AbortSignal): Promise<string[]> {
  if (await leaseCame(lan, signal)) return [];
  const { name, keep } = lan;
  const others = (networkInterfaces()[name] ?? [])
    .map(({ address }) => address)
    .filter((address) => !isLinkLocal(address));
  const isNew = (address: string): boolean => !keep.some((kept) => sameAddress(kept, address));
  const rest = others.some((address) => isIPv6(address) && isNew(address))
    ? 'it gave IPv6 only'
    : `the guest has ${keep.length === 0 ? 'no address' : `only ${keep.join(', ')}, kept from its former LAN`}`;
  const taken = await findTakenAddress(lan.startedMs, signal);
  return taken === undefined
    ? [`no DHCP server on the new LAN answered; ${rest}`]
    : [`the DHCP server on the new LAN gave ${taken}, which another host there uses; ${rest}`];
}

async function leaseCame({ manager, device, name }: NewLan, signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.timeout(answerLimitMs);
  let stopListening = (): void => {};
  try {
    const came = new Promise<void>((resolve, reject) => {
      const look = async (): Promise<void> => {
        const lease = await manager.readLease(device, signal);
        if (lease !== undefined && hasAddresses(name, [{ address: lease }])) resolve();
      };
      // NetworkManager also says so when its address is there (Ip4Config).
      stopListening = manager.listenToChanges(() => void look().catch(reject));
      look().catch(reject);
    });
    await withinSignals(came, [signal, limit]);
    return true;
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw DockError.from(error);
    return false;
  } finally {
    stopListening();
  }
}

/**
 * The address that was refused because it is in use. NetworkManager says so to the journal alone; without one the
 * reason stays unknown.
 */
async function findTakenAddress(sinceMs: number, signal: AbortSignal): Promise<string | undefined> {
  const since = `--since=@${Math.floor(sinceMs / 1000)}`;
  const text = await runProgram(
    ['journalctl', '--quiet', '--unit=NetworkManager.service', '--output=cat', since],
    5000,
    signal,
  ).catch(() => '');
  return /address=(\d+(?:\.\d+){3}), acd conflict/.exec(text)?.[1];
}
