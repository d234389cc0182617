import { networkInterfaces } from 'node:os';
import { DockError } from '../../../protocol/dock-error.ts';
import { findInterface } from './read-interfaces.ts';

/**
 * The hardware address of an interface as it is now; a Wi-Fi station may change it when it connects anew. Asks the
 * kernel where that is enough (an interface that is up and has an IP address), for this stands before the first frame
 * that tells the LAN where a guest is. Throws `not-found`.
 */
export async function hardwareAddressOf(name: string, signal: AbortSignal): Promise<string> {
  const known = networkInterfaces()[name]?.[0]?.mac;
  const mac = known ?? (await findInterface(name, signal))?.mac;
  if (mac === undefined) throw new DockError('not-found', `there is no interface ${name}`);
  return mac;
}
