import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../process/write-file-durably.ts';
import { NetworkBinding } from './binding.ts';
import { NatNetwork } from './nat-network.ts';

/**
 * What was changed on this host for one tap, written *before* it is changed: a wdockd that was killed finds
 * here what it has to put back.
 */
export const NetworkRecord = z.strictObject({
  binding: NetworkBinding,
  /** Kernel settings of shared interfaces as they were. */
  before: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  /** A dnsmasq passes the guest's DHCP messages on. */
  relay: z.strictObject({ relay: z.ipv4(), server: z.ipv4() }).optional(),
  /** A dnsmasq serves this network. */
  nat: NatNetwork.optional(),
});
export type NetworkRecord = z.infer<typeof NetworkRecord>;

/** The records in one folder below the runtime folder: they are about this boot of the host only. */
export class NetworkRecords {
  readonly folder: string;

  constructor(runtimeFolder: string) {
    this.folder = join(runtimeFolder, 'network');
  }

  async write(record: NetworkRecord): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFileDurably(this.#path(record.binding.tap), `${JSON.stringify(record)}\n`);
  }

  /** Undefined where there is none, and where there is one that nobody can read. */
  async read(tap: string): Promise<NetworkRecord | undefined> {
    try {
      return NetworkRecord.parse(JSON.parse(await readFile(this.#path(tap), 'utf8')));
    } catch {
      return undefined;
    }
  }

  async remove(tap: string): Promise<void> {
    await rm(this.#path(tap), { force: true });
  }

  /** The records of all other taps. */
  async others(tap: string): Promise<NetworkRecord[]> {
    const names = await readdir(this.folder).catch(() => []);
    const taps = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    const records = await Promise.all(taps.filter((other) => other !== tap).map((other) => this.read(other)));
    return records.filter((record) => record !== undefined);
  }

  #path(tap: string): string {
    return join(this.folder, `${tap}.json`);
  }
}
