import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../process/write-file-durably.ts';

const Route = z.strictObject({ ipv6: z.boolean(), text: z.string() });
const Address = z.strictObject({
  address: z.string(),
  prefix: z.int(),
  ipv6: z.boolean(),
  broadcast: z.string().optional(),
  validS: z.number().optional(),
  preferredS: z.number().optional(),
  temporary: z.boolean(),
});

const common = {
  link: z.string(),
  bridge: z.string(),
  /** `changing`: a change was begun; unless it was ended, the interface is put back. */
  state: z.enum(['changing', 'made']),
};

/**
 * A bridge that this host made for its guests, written *before* anything is changed: the wdockd that comes after one
 * that was killed in the middle finds here how the interface was.
 */
export const BridgeRecord = z.discriminatedUnion('by', [
  z.strictObject({
    by: z.literal('network-manager'),
    ...common,
    /** UUID of the connection profile that the interface had. */
    former: z.string(),
    /** UUIDs of the profiles of ours. */
    bridgeProfile: z.string(),
    portProfile: z.string(),
    /** NetworkManager's checkpoint while one is open. */
    checkpoint: z.string().optional(),
  }),
  z.strictObject({
    by: z.literal('kernel'),
    ...common,
    addresses: z.array(Address),
    routes: z.array(Route),
  }),
]);
export type BridgeRecord = z.infer<typeof BridgeRecord>;
export type ManagedBridgeRecord = BridgeRecord & { by: 'network-manager' };
export type KernelBridgeRecord = BridgeRecord & { by: 'kernel' };

/** The records in one folder below the runtime folder: they are about this boot of the host only. */
export class BridgeRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(record: BridgeRecord): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFileDurably(this.#path(record.bridge), `${JSON.stringify(record)}\n`);
  }

  async remove(bridge: string): Promise<void> {
    await rm(this.#path(bridge), { force: true });
  }

  /** All of them; one that nobody can read is as good as none. */
  async list(): Promise<BridgeRecord[]> {
    const names = (await readdir(this.#folder).catch(() => [])).filter((name) => name.endsWith('.json'));
    const read = names.map(async (name) => {
      try {
        return BridgeRecord.parse(JSON.parse(await readFile(join(this.#folder, name), 'utf8')));
      } catch {
        return undefined;
      }
    });
    return (await Promise.all(read)).filter((record) => record !== undefined);
  }

  #path(bridge: string): string {
    return join(this.#folder, `${bridge}.json`);
  }
}
