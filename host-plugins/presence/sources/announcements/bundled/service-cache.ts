import { maxServices } from '../responder.ts';
import { type DnsQuestion, type DnsRecord, isSameName, recordKey } from './dns-message.ts';
import { typeName } from './own-records.ts';

/** A service of our type with all that it takes to call it, once for each of its addresses. */
export interface CachedService {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly txt: readonly string[];
}

interface Entry {
  readonly record: DnsRecord;
  readonly sinceMs: number;
  endMs: number;
  /** How often it was asked for since. */
  asked: number;
}

/** A service has a name, a place, a text, and a few addresses. */
const maxEntries = 8 * maxServices;
/** What somebody says holds no longer than this, s: what RFC 6762, 10 gives what never changes. */
const maxTtlS = 4500;
/** What is taken back, or replaced, is void so much later: another host may say that it is not so (10.1, 10.2). */
const graceMs = 1_000;
/** A record is asked for again when so much of its life is over (5.2). */
const askedAgainAt = [0.8, 0.85, 0.9, 0.95] as const;
/** Asking who is there: at first, a second later, then each time after twice as long, up to an hour (5.2). */
const [firstPauseMs, longestPauseMs] = [1_000, 3_600_000];
/** What a service has not told of itself is asked for so often, each time after thrice as long. */
const maxAsked = 4;

/** What is known of the services on one link, and what has to be asked when. The time is given, ms from anywhere. */
export class ServiceCache {
  readonly #entries = new Map<string, Entry>();
  /** Those of each type and name, as long as none has come or gone. */
  #groups: Map<string, Entry[]> | undefined;
  /** When each service of which something is missing is asked for that, and how often it was. */
  readonly #missing = new Map<string, { atMs: number; asked: number }>();
  #browse: { atMs: number; pauseMs: number };

  constructor(nowMs: number) {
    this.#browse = { atMs: nowMs, pauseMs: firstPauseMs };
  }

  /** What somebody has said. Whatever has nothing to do with our services is passed over. */
  note(records: readonly DnsRecord[], nowMs: number): void {
    // A service before its place, and that before the addresses of its host: what is wanted depends on it.
    const order = ['PTR', 'SRV', 'TXT', 'A', 'AAAA'];
    const sorted = records.toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
    for (const record of sorted) if (this.#isWanted(record)) this.#keep(record, nowMs);
    this.#lookForMissing(nowMs);
  }

  /** All services that are complete. */
  services(nowMs: number): CachedService[] {
    this.#expire(nowMs);
    return this.#instances().flatMap((instance) => {
      const [place] = this.#named(instance, 'SRV');
      const [text] = this.#named(instance, 'TXT');
      if (place === undefined || text === undefined) return [];
      const { port, host } = place;
      return this.#addressesOf(host).map((address) => ({
        key: `${instance} ${address}`,
        address,
        port,
        txt: text.strings,
      }));
    });
  }

  /** What is to be asked now. Counts as asked. */
  questions(nowMs: number): DnsQuestion[] {
    this.#expire(nowMs);
    const questions: DnsQuestion[] = [];
    if (this.#browse.atMs <= nowMs) {
      const { pauseMs } = this.#browse;
      this.#browse = { atMs: nowMs + pauseMs, pauseMs: Math.min(2 * pauseMs, longestPauseMs) };
      questions.push({ name: typeName, type: 'PTR' });
    }
    for (const entry of this.#entries.values()) {
      if (askAgainMs(entry) > nowMs) continue;
      entry.asked++;
      questions.push({ name: entry.record.name, type: entry.record.type });
    }
    for (const [instance, state] of this.#missing) {
      if (state.atMs > nowMs) continue;
      state.asked++;
      state.atMs =
        state.asked < maxAsked ? nowMs + firstPauseMs * 3 ** (state.asked - 1) : Number.POSITIVE_INFINITY;
      questions.push(...this.#questionsAbout(instance));
    }
    return questions;
  }

  /** What others need not tell again when they are asked (7.1), with the rest of its life. */
  known(questions: readonly DnsQuestion[], nowMs: number): DnsRecord[] {
    return [...this.#entries.values()].flatMap(({ record, endMs, sinceMs }) => {
      const isAsked = questions.some(
        ({ name, type }) => type === record.type && isSameName(name, record.name),
      );
      const isFresh = endMs - nowMs > (endMs - sinceMs) / 2;
      return isAsked && isFresh ? [{ ...record, ttlS: Math.floor((endMs - nowMs) / 1000) }] : [];
    });
  }

  /** When `questions` or `services` has something else to say, if nobody says anything until then. */
  nextMs(): number {
    const times = [...this.#entries.values()].map((entry) => Math.min(entry.endMs, askAgainMs(entry)));
    return Math.min(this.#browse.atMs, ...times, ...Array.from(this.#missing.values(), ({ atMs }) => atMs));
  }

  #isWanted(record: DnsRecord): boolean {
    switch (record.type) {
      case 'PTR':
        return isSameName(record.name, typeName) && endsWithType(record.target);
      case 'SRV':
      case 'TXT':
        return endsWithType(record.name);
      case 'A':
      case 'AAAA':
        return this.#instances().some((instance) =>
          this.#named(instance, 'SRV').some(({ host }) => isSameName(host, record.name)),
        );
    }
  }

  #keep(record: DnsRecord, nowMs: number): void {
    const key = recordKey(record);
    if (record.unique) {
      for (const entry of this.#group(record.name, record.type)) {
        if (recordKey(entry.record) !== key && entry.sinceMs < nowMs - graceMs) endSoon(entry, nowMs);
      }
    }
    const before = this.#entries.get(key);
    if (record.ttlS === 0) {
      if (before !== undefined) endSoon(before, nowMs);
    } else if (before !== undefined || this.#hasRoomFor(record)) {
      const endMs = nowMs + Math.min(record.ttlS, maxTtlS) * 1000;
      this.#entries.set(key, { record, sinceMs: nowMs, endMs, asked: 0 });
      this.#groups = undefined;
    }
  }

  #hasRoomFor({ type }: DnsRecord): boolean {
    return type === 'PTR' ? this.#instances().length < maxServices : this.#entries.size < maxEntries;
  }

  #expire(nowMs: number): void {
    for (const [key, { endMs }] of this.#entries) {
      if (endMs <= nowMs && this.#entries.delete(key)) this.#groups = undefined;
    }
    this.#lookForMissing(nowMs);
  }

  #lookForMissing(nowMs: number): void {
    const instances = new Set(this.#instances());
    for (const instance of instances) {
      if (this.#questionsAbout(instance).length === 0) this.#missing.delete(instance);
      // What belongs together comes in several messages, at times.
      else if (!this.#missing.has(instance)) this.#missing.set(instance, { atMs: nowMs + 100, asked: 0 });
    }
    for (const instance of this.#missing.keys()) {
      if (!instances.has(instance)) this.#missing.delete(instance);
    }
  }

  #questionsAbout(instance: string): DnsQuestion[] {
    const [place] = this.#named(instance, 'SRV');
    const [text] = this.#named(instance, 'TXT');
    if (place === undefined || text === undefined) return [{ name: instance, type: 'ANY' }];
    const { host } = place;
    if (this.#addressesOf(host).length > 0) return [];
    return [
      { name: host, type: 'A' },
      { name: host, type: 'AAAA' },
    ];
  }

  #instances(): string[] {
    return this.#named(typeName, 'PTR').map(({ target }) => target);
  }

  #addressesOf(host: string): string[] {
    return [...this.#named(host, 'A'), ...this.#named(host, 'AAAA')].map(({ address }) => address);
  }

  #named<Type extends DnsRecord['type']>(name: string, type: Type): RecordOf<Type>[] {
    return this.#group(name, type).map(({ record }) => record as RecordOf<Type>);
  }

  #group(name: string, type: DnsRecord['type']): readonly Entry[] {
    this.#groups ??= Map.groupBy(this.#entries.values(), ({ record }) => groupKey(record.name, record.type));
    return this.#groups.get(groupKey(name, type)) ?? [];
  }
}

function groupKey(name: string, type: DnsRecord['type']): string {
  return `${type} ${name.toLowerCase()}`;
}

type RecordOf<Type extends DnsRecord['type']> = Extract<DnsRecord, { type: Type }>;

function endsWithType(name: string): boolean {
  return name.toLowerCase().endsWith(`.${typeName}`);
}

/** Without asking for it again. */
function endSoon(entry: Entry, nowMs: number): void {
  entry.endMs = Math.min(entry.endMs, nowMs + graceMs);
  entry.asked = askedAgainAt.length;
}

function askAgainMs({ asked, sinceMs, endMs }: Entry): number {
  const share = askedAgainAt[asked];
  return share === undefined ? Number.POSITIVE_INFINITY : sinceMs + share * (endMs - sinceMs);
}
