import { mkdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { agentMethods, HostDescription } from '../protocol/agent-channel.ts';
import { NetworkMode } from '../protocol/allocation.ts';

const Stored = z.object({
  /** The host that the guest is on, as it said last. */
  host: HostDescription.optional(),
  epoch: z.int().default(0),
  network: z
    .object({
      mode: NetworkMode,
      hostMac: z.string().optional(),
      /** Addresses of other LANs that the interface may still have. */
      keep: z.array(z.string()).default([]),
      portal: z.boolean().default(false),
      /** What was asked for, where it was done only for a time. */
      due: agentMethods['apply-network'].params.optional(),
    })
    .optional(),
  /** Units that the agent froze. */
  frozen: z.array(z.string()).default([]),
  /** The guest was readied for a host that its user does not trust. */
  guarded: z.boolean().default(false),
  /** Mount units that the agent has stopped for that. */
  unmounted: z.array(z.string()).default([]),
});
export type Stored = z.infer<typeof Stored>;

/**
 * What an agent that was restarted has to know, in a file below /run: it is gone with the boot that it belongs to.
 * A file that is missing or broken counts as empty.
 */
export class StoredState {
  readonly #path: string;
  #now: Stored;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#now = load(path);
  }

  read(): Readonly<Stored> {
    return this.#now;
  }

  /** In memory at once, durable for a crash of the process when this resolves. */
  write(change: Partial<Stored>): Promise<void> {
    this.#now = { ...this.#now, ...change };
    const text = JSON.stringify(this.#now);
    this.#writing = this.#writing
      .catch(() => {})
      .then(async () => {
        await writeFile(`${this.#path}.new`, text, { mode: 0o600 });
        await rename(`${this.#path}.new`, this.#path);
      });
    return this.#writing;
  }
}

function load(path: string): Stored {
  try {
    return Stored.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return Stored.parse({});
  }
}
