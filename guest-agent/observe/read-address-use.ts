import type { SystemFiles } from '../system-files.ts';
import { inTcpTables, openLocalAddresses } from './parse-tcp-table.ts';

/** How many TCP connections are open from these addresses, without prefix length. */
export async function readAddressUse(files: SystemFiles, addresses: readonly string[]): Promise<number> {
  const wanted = new Set(addresses.flatMap(inTcpTables));
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => files.readIfThere(path)),
  );
  return tables.flatMap((table) => openLocalAddresses(table ?? '')).filter((address) => wanted.has(address))
    .length;
}
