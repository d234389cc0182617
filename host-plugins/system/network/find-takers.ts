import { resolveNeighbour } from '../host-inventory/gateways.ts';

/** Each takes a second; a sleeping Wi-Fi station misses a question now and then. */
const attempts = 2;

/**
 * Who answers on an interface's LAN for these addresses, by address: hardware addresses. To be asked while nobody should,
 * for a guest that has had them there and comes back: whoever does has got them since.
 */
export async function findTakers(
  device: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const takers = new Map<string, string>();
  const ask = async (address: string): Promise<void> => {
    for (let attempt = 0; attempt < attempts && !takers.has(address); attempt++) {
      const mac = await resolveNeighbour({ address, device }, true, signal);
      if (mac !== undefined) takers.set(address, mac);
    }
  };
  await Promise.all(addresses.map(ask));
  return takers;
}
