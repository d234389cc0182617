import { hashBytes, pageBytes } from '../page-list.ts';
import type { ReceivingSource } from '../page-source.ts';
import type { PageWorkers } from '../work/page-workers.ts';
import type { Operation } from './operation.ts';

export interface SourcePages {
  /** In the order of the operations. */
  readonly pages: readonly (Uint8Array | undefined)[];
  readonly hashes: Uint8Array;
}

const none: SourcePages = { pages: [], hashes: new Uint8Array() };

/** The pages of a batch that sources have, and what they hash to here and now. A source that throws has none. */
export async function takeFromSources(
  operations: readonly Operation[],
  sources: readonly ReceivingSource[],
  workers: PageWorkers,
): Promise<SourcePages> {
  const wanted = new Map<number, number[]>();
  const order: { source: number; at: number }[] = [];
  for (const operation of operations) {
    if (operation.kind !== 'pages' || operation.from !== 'source') continue;
    const { source, index, count } = operation;
    let indices = wanted.get(source);
    if (indices === undefined) {
      indices = [];
      wanted.set(source, indices);
    }
    for (let i = 0; i < count; i++) order.push({ source, at: indices.push(index + i) - 1 });
  }
  if (order.length === 0) return none;
  const given = new Map<number, readonly (Uint8Array | undefined)[]>();
  await Promise.all(
    [...wanted].map(async ([source, indices]) => {
      given.set(source, (await sources[source]?.read(Uint32Array.from(indices)).catch(() => [])) ?? []);
    }),
  );
  const together = new Uint8Array(order.length * pageBytes);
  const isThere = order.map(({ source, at }, i) => {
    const page = given.get(source)?.[at];
    if (page?.length !== pageBytes) return false;
    together.set(page, i * pageBytes);
    return true;
  });
  const { pages, hashes } = await workers.run({ do: 'hash-apart', pages: together }, [together.buffer]);
  return {
    pages: isThere.map((there, i) =>
      there ? pages.subarray(i * pageBytes, (i + 1) * pageBytes) : undefined,
    ),
    hashes: hashes.subarray(0, order.length * hashBytes),
  };
}
