import { successors } from './successors.ts';
import { brokenRule, type Device, firstWorld, isSettled, type World, type WorldOptions } from './world.ts';

export interface Exploration {
  /** Different states of the two devices, their QEMUs, the disk and the migration. */
  readonly states: number;
  readonly transitions: number;
  /** The first rule found broken, with a way there. */
  readonly violation: { readonly rule: string; readonly trace: readonly string[] } | undefined;
}

/**
 * Visits every reachable world and shows two properties.
 *
 * Never two runnable copies: no reachable world breaks a rule of `brokenRule`. Whatever can happen with some
 * messages on the wire can also happen with more of them there (they need not be delivered), so a world is left out
 * when the same one with at least these messages was visited.
 *
 * Always recoverable: every one of these worlds, *all messages on the wire being lost*, has a way to a settled world
 * on which nothing fails and no person acts. A way from every world there is means, every fair edge being taken sooner
 * or later, that it gets there.
 */
export function explore(options: WorldOptions, limit = 2_000_000): Exploration {
  const reached = new Reached();
  const first = reached.add(firstWorld(options), undefined, '');
  const bare = new Map<number, Visit>();
  let transitions = 0;
  const queue = first === undefined ? [] : [first];
  for (let next = 0; next < queue.length; next += 1) {
    const visit = queue[next];
    if (visit === undefined || visit.covered) continue;
    const broken = (rule: string, ...then: string[]): Exploration => ({
      states: bare.size,
      transitions,
      violation: { rule, trace: [...traceTo(visit), ...then] },
    });
    if (!bare.has(visit.core)) bare.set(visit.core, visit);
    const rule = brokenRule(visit.world);
    if (rule !== undefined) return broken(rule);
    if (queue.length > limit)
      throw new Error(`more than ${limit} worlds: bound the exploration more tightly`);
    for (const edge of successors(visit.world, options)) {
      transitions += 1;
      if (edge.breaks !== undefined) return broken(edge.breaks, edge.label);
      const added = reached.add(edge.to, visit, edge.label);
      if (added !== undefined) queue.push(added);
    }
  }
  const stuck = firstStuck([...bare.values()], options, limit);
  return {
    states: bare.size,
    transitions: transitions + stuck.transitions,
    violation:
      stuck.visit === undefined
        ? undefined
        : {
            rule: 'nothing fails any more, and yet it does not come to exactly one running copy',
            trace: [...traceTo(stuck.visit), 'the link is cut, and comes back'],
          },
  };
}

/** In a line, and the trace where a rule is broken. */
export function describeExploration({ states, transitions, violation }: Exploration): string {
  const visited = `visited ${states} states, ${transitions} transitions`;
  if (violation !== undefined)
    return `${visited}; BROKEN: ${violation.rule}\n  ${violation.trace.join('\n  ')}`;
  return `${visited}; never two runnable copies: held; always recoverable: held`;
}

interface Visit {
  readonly world: World;
  /** Number of the world without its wire. */
  readonly core: number;
  readonly wire: bigint;
  readonly from: Visit | undefined;
  readonly by: string;
  /** The same world with more on the wire was found since. */
  covered: boolean;
}

function traceTo(visit: Visit): string[] {
  const steps: string[] = [];
  for (let at: Visit | undefined = visit; at?.from !== undefined; at = at.from) steps.push(at.by);
  return steps.reverse();
}

/** Numbers for equal values. */
class Numbering {
  readonly #numbers = new Map<string, number>();
  readonly #known = new WeakMap<object, number>();

  of(value: object): number {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const number = this.ofText(JSON.stringify(value));
    this.#known.set(value, number);
    return number;
  }

  ofText(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }
}

class Worlds {
  readonly #parts = new Numbering();
  readonly #devices = new Numbering();
  readonly #cores = new Numbering();
  readonly #lines = new Numbering();
  readonly #wires = new WeakMap<readonly string[], bigint>();

  core({ devices, around }: World): number {
    const [a, b] = devices;
    return this.#cores.ofText(`${this.#device(a)},${this.#device(b)},${this.#parts.of(around)}`);
  }

  #device(device: Device): number {
    const of = (part: object | undefined) => (part === undefined ? '' : this.#parts.of(part));
    const { state, before, effects, results, journal, qemu, stale, dead } = device;
    return this.#devices.ofText(
      `${of(state)},${of(before)},${of(effects)},${of(results)},${of(journal)},${qemu},${stale},${dead}`,
    );
  }

  wire({ wire }: World): bigint {
    const known = this.#wires.get(wire);
    if (known !== undefined) return known;
    const bits = wire.reduce((sum, line) => sum | (1n << BigInt(this.#lines.ofText(line))), 0n);
    this.#wires.set(wire, bits);
    return bits;
  }
}

/** The worlds visited, each with the largest sets of messages that it was seen with. */
class Reached {
  readonly #worlds = new Worlds();
  readonly #visits = new Map<number, Visit[]>();

  add(world: World, from: Visit | undefined, by: string): Visit | undefined {
    const core = this.#worlds.core(world);
    const wire = this.#worlds.wire(world);
    const visits = this.#visits.get(core) ?? [];
    if (visits.some((known) => (known.wire & wire) === wire)) return undefined;
    for (const known of visits) if ((known.wire & wire) === known.wire) known.covered = true;
    const visit: Visit = { world, core, wire, from, by, covered: false };
    this.#visits.set(core, [...visits.filter((known) => !known.covered), visit]);
    return visit;
  }
}

/** The first world from which, its wire emptied, no fair way leads to a settled one. */
function firstStuck(
  starts: readonly Visit[],
  options: WorldOptions,
  limit: number,
): { readonly visit: Visit | undefined; readonly transitions: number } {
  const worlds = new Worlds();
  const numbers = new Map<string, number>();
  const queue: World[] = [];
  const from: number[] = [];
  const to: number[] = [];
  const settled: number[] = [];
  const add = (world: World): number => {
    const key = `${worlds.core(world)} ${worlds.wire(world)}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    const number = queue.push(world) - 1;
    numbers.set(key, number);
    if (isSettled(world)) settled.push(number);
    return number;
  };
  const startNumbers = starts.map((visit) => add({ ...visit.world, wire: [] }));
  for (let number = 0; number < queue.length; number += 1) {
    const world = queue[number];
    if (world === undefined || isSettled(world)) continue;
    if (queue.length > limit)
      throw new Error(`more than ${limit} worlds: bound the exploration more tightly`);
    for (const edge of successors(world, options)) {
      if (!edge.fair) continue;
      from.push(number);
      to.push(add(edge.to));
    }
  }
  const reaches = reachesAny(queue.length, settled, from, to);
  const stuck = startNumbers.findIndex((number) => reaches[number] !== 1);
  return { visit: stuck < 0 ? undefined : starts[stuck], transitions: from.length };
}

/** For each state whether one of `goals` can be reached from it along the edges. */
function reachesAny(
  states: number,
  goals: readonly number[],
  edgeFrom: readonly number[],
  edgeTo: readonly number[],
): Uint8Array {
  const start = new Int32Array(states + 1);
  for (const to of edgeTo) start[to + 1] = (start[to + 1] ?? 0) + 1;
  for (let state = 0; state < states; state += 1) {
    start[state + 1] = (start[state + 1] ?? 0) + (start[state] ?? 0);
  }
  const fill = start.slice();
  const before = new Int32Array(edgeTo.length);
  edgeTo.forEach((to, edge) => {
    const at = fill[to] ?? 0;
    before[at] = edgeFrom[edge] ?? 0;
    fill[to] = at + 1;
  });
  const reaches = new Uint8Array(states);
  const pending = [...goals];
  for (const goal of goals) reaches[goal] = 1;
  for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
    for (let edge = start[state] ?? 0; edge < (start[state + 1] ?? 0); edge += 1) {
      const from = before[edge] ?? 0;
      if (reaches[from] === 1) continue;
      reaches[from] = 1;
      pending.push(from);
    }
  }
  return reaches;
}
