import { type Labels, type MetricFamily, renderNumber, type Sample } from './metric-text.ts';

type Description = Pick<MetricFamily, 'name' | 'help'>;

/** Only grows while wdockd runs. */
export class Counter {
  readonly #description: Description;
  readonly #values = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(description: Description) {
    this.#description = description;
  }

  add(labels: Labels, amount = 1): void {
    const key = JSON.stringify(labels);
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels, value: amount });
    else known.value += amount;
  }

  family(): MetricFamily {
    return { ...this.#description, type: 'counter', samples: [...this.#values.values()] };
  }
}

interface Distribution {
  readonly labels: Labels;
  /** How many fell into each bucket, the last one without an upper bound. */
  readonly counts: number[];
  sum: number;
}

/** How often which values were seen. */
export class Histogram {
  readonly #description: Description;
  readonly #bounds: readonly number[];
  readonly #seen = new Map<string, Distribution>();

  /** @param bounds upper ones, which belong to their buckets, ascending */
  constructor(description: Description, bounds: readonly number[]) {
    this.#description = description;
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const seen = this.#seen.get(key) ?? {
      labels,
      counts: Array.from({ length: this.#bounds.length + 1 }, () => 0),
      sum: 0,
    };
    this.#seen.set(key, seen);
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const at = bucket === -1 ? this.#bounds.length : bucket;
    seen.counts[at] = (seen.counts[at] ?? 0) + 1;
    seen.sum += value;
  }

  family(): MetricFamily {
    return {
      ...this.#description,
      type: 'histogram',
      samples: [...this.#seen.values()].flatMap((seen) => this.#samples(seen)),
    };
  }

  #samples({ labels, counts, sum }: Distribution): Sample[] {
    let total = 0;
    const buckets = counts.map((count, at) => {
      total += count;
      const le = renderNumber(this.#bounds[at] ?? Number.POSITIVE_INFINITY);
      return { suffix: '_bucket', labels: { ...labels, le }, value: total };
    });
    return [...buckets, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: total }];
  }
}
