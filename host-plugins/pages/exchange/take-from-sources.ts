import { pageBytes } from '../page-list.ts';
import type { PageRoom, ReceivingSource } from '../page-source.ts';
import type { PageWorkers } from '../work/page-workers.ts';
import type { Operation } from './operation.ts';

/** Pages of one source, and the slots of the room that they go to. */
interface Wanted {
  readonly indices: number[];
  readonly slots: number[];
}

/**
 * Puts the pages of a batch that sources have into the room, in the order of the operations, and what they hash to here
 * and now. Resolves with 1 for each that is there, 0 else. A source that throws has none.
 */
export async function takeFromSources(
  operations: readonly Operation[],
  sources: readonly ReceivingSource[],
  room: PageRoom,
  workers: PageWorkers,
): Promise<Uint8Array> {
  const { wanted, count } = collect(operations);
  const there = new Uint8Array(count);
  await Promise.all(
    [...wanted].map(async ([source, { indices, slots }]) => {
      const from = sources[source];
      if (from === undefined) return;
      const given = await take(from, Uint32Array.from(indices), room, Uint16Array.from(slots), workers).catch(
        () => undefined,
      );
      for (const [i, slot] of slots.entries()) there[slot] = given?.[i] ?? 0;
    }),
  );
  return there;
}

function collect(operations: readonly Operation[]): { wanted: Map<number, Wanted>; count: number } {
  const wanted = new Map<number, Wanted>();
  let count = 0;
  for (const operation of operations) {
    if (operation.kind !== 'pages' || operation.from !== 'source') continue;
    let of = wanted.get(operation.source);
    if (of === undefined) {
      of = { indices: [], slots: [] };
      wanted.set(operation.source, of);
    }
    for (let i = 0; i < operation.count; i++) {
      of.indices.push(operation.index + i);
      of.slots.push(count++);
    }
  }
  return { wanted, count };
}

async function take(
  source: ReceivingSource,
  indices: Uint32Array,
  room: PageRoom,
  slots: Uint16Array,
  workers: PageWorkers,
): Promise<Uint8Array> {
  if (source.readInto !== undefined) return await source.readInto(indices, room, slots);
  const given = await source.read(indices);
  const pages = new Uint8Array(room.pages);
  const there = Uint8Array.from(indices, (_index, i) => {
    const page = given[i];
    if (page?.length !== pageBytes) return 0;
    pages.set(page, (slots[i] ?? 0) * pageBytes);
    return 1;
  });
  await workers.run({ do: 'hash', pages: room.pages, slots, hashes: room.hashes });
  return there;
}
