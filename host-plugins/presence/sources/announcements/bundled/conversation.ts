import { setTimeout as delay } from 'node:timers/promises';
import type { FoundService, ListenEvents } from '../responder.ts';
import type { DnsMessage, DnsQuestion, DnsRecord } from './dns-message.ts';
import { formatDnsMessage } from './format-dns-message.ts';
import { goodbye, isAskedFor } from './own-records.ts';
import { parseDnsMessage } from './parse-dns-message.ts';
import { ServiceCache } from './service-cache.ts';

/** What of a socket is needed. */
export interface Wire {
  send(bytes: Uint8Array): Promise<void>;
}

/** Answers of many hosts to one question are spread over this time (RFC 6762, 6), ms. */
const [leastAnswerMs, mostAnswerMs] = [20, 120];
/** A record is said at most once in this time (6), and a new one twice, with this time between (8.3), ms. */
const saidAgainMs = 1_000;

/** What is said and heard on one link: our announcements, and the services of others. */
export class Conversation implements AsyncDisposable {
  readonly #interfaceIndex: number;
  readonly #family: number;
  readonly #wire: Wire;
  readonly #cache = new ServiceCache(performance.now());
  readonly #announced = new Map<readonly DnsRecord[], { saidMs: number; answer?: NodeJS.Timeout }>();
  readonly #told = new Map<string, string>();
  readonly #end = new AbortController();
  #events: ListenEvents | undefined;
  #next: NodeJS.Timeout | undefined;

  constructor(interfaceIndex: number, family: number, wire: Wire) {
    this.#interfaceIndex = interfaceIndex;
    this.#family = family;
    this.#wire = wire;
  }

  /** A message that came by the wire. */
  heard(bytes: Uint8Array): void {
    const message = parseDnsMessage(bytes);
    if (message === undefined || this.#end.signal.aborted) return;
    if (!message.isResponse) {
      this.#answer(message);
      return;
    }
    this.#cache.note(message.records, performance.now());
    this.#look();
  }

  /** Says these records until what is returned is called, and then takes them back. On return others can have them. */
  async announce(records: readonly DnsRecord[]): Promise<() => Promise<void>> {
    this.#announced.set(records, { saidMs: Number.NEGATIVE_INFINITY });
    await this.#say(records);
    void delay(saidAgainMs, undefined, { signal: this.#end.signal }).then(
      () => this.#say(records),
      () => undefined, // it is over
    );
    return async () => {
      clearTimeout(this.#announced.get(records)?.answer);
      if (this.#announced.delete(records))
        await this.#send({ isResponse: true, questions: [], records: goodbye(records) });
    };
  }

  /** Asks who is there, and tells it. */
  listen(events: ListenEvents): void {
    this.#events = events;
    this.#look();
  }

  /** All services are lost. */
  endListening(): void {
    clearTimeout(this.#next);
    this.#tell([]);
    this.#events = undefined;
  }

  /** Says good-bye; all services are lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    const records = [...this.#announced.keys()];
    for (const { answer } of this.#announced.values()) clearTimeout(answer);
    this.#announced.clear();
    this.#end.abort();
    this.endListening();
    if (records.length > 0) {
      await this.#send({ isResponse: true, questions: [], records: records.flatMap(goodbye) });
    }
  }

  #answer(query: DnsMessage): void {
    const nowMs = performance.now();
    for (const [records, state] of this.#announced) {
      if (state.answer !== undefined || !isAskedFor(records, query)) continue;
      const spreadMs = leastAnswerMs + Math.random() * (mostAnswerMs - leastAnswerMs);
      const waitMs = Math.max(spreadMs, state.saidMs + saidAgainMs - nowMs);
      state.answer = setTimeout(() => void this.#say(records), waitMs);
    }
  }

  async #say(records: readonly DnsRecord[]): Promise<void> {
    const state = this.#announced.get(records);
    if (state === undefined) return;
    delete state.answer;
    state.saidMs = performance.now();
    await this.#send({ isResponse: true, questions: [], records });
  }

  /** Asks what is to be asked, tells what has changed, and comes back when there is more of that. */
  #look(): void {
    if (this.#events === undefined) return;
    const nowMs = performance.now();
    const questions = this.#cache.questions(nowMs);
    if (questions.length > 0) void this.#ask(questions, nowMs);
    this.#tell(
      this.#cache.services(nowMs).map(({ txt, key, ...place }) => ({
        ...place,
        key: `${this.#interfaceIndex} ${this.#family} ${key}`,
        interfaceIndex: this.#interfaceIndex,
        records: txt,
      })),
    );
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#look(), Math.max(0, this.#cache.nextMs() - nowMs));
  }

  async #ask(questions: readonly DnsQuestion[], nowMs: number): Promise<void> {
    await this.#send({ isResponse: false, questions, records: this.#cache.known(questions, nowMs) });
  }

  #tell(services: readonly FoundService[]): void {
    const now = new Set(services.map(({ key }) => key));
    for (const service of services) {
      const text = JSON.stringify(service);
      if (this.#told.get(service.key) === text) continue;
      this.#told.set(service.key, text);
      this.#events?.found(service);
    }
    for (const key of [...this.#told.keys()].filter((each) => !now.has(each))) {
      this.#told.delete(key);
      this.#events?.lost(key);
    }
  }

  async #send(message: DnsMessage): Promise<void> {
    await this.#wire.send(formatDnsMessage(message));
  }
}
