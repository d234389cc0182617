import type { WorkspaceRecord } from '../../protocol/workspace.ts';

/**
 * A record and its copy on the disk. Changes are made one after the other, in the order in which they were asked for, each to
 * what the one before it left: of two that overlapped, the slower would bring back what the other had taken away, such as a
 * saved state that must not be loaded a second time.
 */
export class KeptRecord {
  readonly #store: (record: WorkspaceRecord) => Promise<void>;
  #value: WorkspaceRecord;
  #changing: Promise<void> = Promise.resolve();

  /** @param store returns when the record is on the disk */
  constructor(value: WorkspaceRecord, store: (record: WorkspaceRecord) => Promise<void>) {
    this.#value = value;
    this.#store = store;
  }

  /** As it is on the disk. */
  get value(): WorkspaceRecord {
    return this.#value;
  }

  /** One that cannot be stored is not made, and throws what `store` threw; those behind it are made all the same. */
  async change(how: (record: WorkspaceRecord) => WorkspaceRecord): Promise<void> {
    const changing = this.#changing.then(async () => {
      const changed = how(this.#value);
      await this.#store(changed);
      this.#value = changed;
    });
    this.#changing = changing.catch(() => undefined); // its caller sees the error
    await changing;
  }
}
