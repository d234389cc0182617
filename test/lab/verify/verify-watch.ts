import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { z } from 'zod';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { type GuestLoad, guestLoads } from '../loads/load-names.ts';
import type { NetworkNamespace } from '../network/network-namespace.ts';
import { type VerifyReport, verifyPort } from './report.ts';

const MemoryCounters = z.object({
  checkedPages: z.int(),
  rewrittenPages: z.int(),
  passes: z.int(),
  mismatches: z.int(),
  firstMismatch: z.object({ place: z.int(), generation: z.int(), finding: z.string() }).optional(),
});

const DiskCounters = z.object({
  records: z.int(),
  mismatches: z.int(),
  ioErrors: z.int(),
  firstProblem: z.string().optional(),
  longestWriteMs: z.number(),
});

const Report = z.object({
  sequence: z.int(),
  run: z.int(),
  uptimeMs: z.number(),
  memoryMiB: z.number(),
  memory: MemoryCounters,
  disk: DiskCounters,
  heldMiB: z.int(),
  background: z.strictObject({ beats: z.int(), frozen: z.boolean() }).optional(),
  load: z
    .strictObject({ load: z.enum(guestLoads), speed: z.number(), done: z.int(), finished: z.boolean() })
    .optional(),
  verdict: z.enum(['intact', 'damaged']).optional(),
});

interface Waiter {
  wanted: (report: VerifyReport) => boolean;
  resolve: (report: VerifyReport) => void;
  reject: (why: DockError) => void;
}

/**
 * One TCP connection from a host of the lab to the load in the guest, held for as long as it is not disposed: that
 * it is still the same connection after a move is a part of what a test wants to know.
 */
export class VerifyWatch implements AsyncDisposable {
  readonly #connection: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #latest: VerifyReport | undefined;
  #nextSequence = 0;
  #broken: DockError | undefined;

  private constructor(connection: ChildProcess, lines: Interface) {
    this.#connection = connection;
    lines.on('line', (line) => this.#take(line));
    connection.once('close', () => this.#break('the connection to the load in the guest was closed'));
  }

  /** Connects, and returns at the first report. Reports then come every `intervalMs`. */
  static async open(
    from: NetworkNamespace,
    address: string,
    intervalMs: number,
    signal: AbortSignal,
  ): Promise<VerifyWatch> {
    // A silent peer is noticed by nobody here: a connection that a move interrupts must be able to go on after it.
    const connection = from.spawn(['socat', '-', `TCP:${address}:${verifyPort},nodelay`], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const lines = createInterface(connection.stdout as NonNullable<typeof connection.stdout>);
    connection.stdin?.on('error', () => undefined);
    const watch = new VerifyWatch(connection, lines);
    connection.stdin?.write(`watch ${intervalMs}\n`);
    try {
      await watch.nextReport(signal);
    } catch (error) {
      await watch[Symbol.asyncDispose]();
      throw error;
    }
    return watch;
  }

  /** The report that came last. */
  get latest(): VerifyReport {
    return this.#latest as VerifyReport;
  }

  /**
   * The next report that comes.
   * @throws DockError `agent-absent` where the connection broke or reports are missing; `timeout` or `cancelled`
   */
  nextReport(signal: AbortSignal): Promise<VerifyReport> {
    return this.#wait(() => true, signal);
  }

  /** The next report of which this holds; throws as `nextReport` does. */
  reportWhere(wanted: (report: VerifyReport) => boolean, signal: AbortSignal): Promise<VerifyReport> {
    return this.#wait(wanted, signal);
  }

  /** Has a program in the guest use this much memory more, a multiple of 4 MiB; 0 lets it go. */
  async hold(sizeMiB: number, signal: AbortSignal): Promise<void> {
    this.#connection.stdin?.write(`hold ${sizeMiB}\n`);
    await this.#wait((candidate) => candidate.heldMiB === sizeMiB, signal);
  }

  /** Has the guest busy with this instead of what it was busy with, so many times as fast. */
  async load(name: GuestLoad, speed: number, signal: AbortSignal): Promise<void> {
    this.#connection.stdin?.write(`load ${name} ${speed}\n`);
    await this.#wait(({ load }) => load?.load === name && load.speed === speed, signal);
  }

  /** Has the guest check everything once more, the disk past its page cache; takes some seconds under TCG. */
  async verdict(signal: AbortSignal): Promise<VerifyReport & { verdict: 'intact' | 'damaged' }> {
    this.#connection.stdin?.write('verdict\n');
    const report = await this.#wait((candidate) => candidate.verdict !== undefined, signal);
    return report as VerifyReport & { verdict: 'intact' | 'damaged' };
  }

  async #wait(wanted: (report: VerifyReport) => boolean, signal: AbortSignal): Promise<VerifyReport> {
    if (signal.aborted) throw interruption(signal, 'a report of the load in the guest');
    if (this.#broken) throw this.#broken;
    const { promise, resolve, reject } = Promise.withResolvers<VerifyReport>();
    const waiter: Waiter = { wanted, resolve, reject };
    const onAbort = () => reject(interruption(signal, 'a report of the load in the guest'));
    // Told as each line is taken: several lines come in one piece, and none may be missed between two waits.
    this.#waiters.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #take(line: string): void {
    const parsed = Report.safeParse(parseJson(line));
    if (!parsed.success) {
      this.#break(`the load in the guest sent what is no report: ${line.slice(0, 200)}`);
      return;
    }
    const report = parsed.data as VerifyReport;
    if (report.sequence !== this.#nextSequence) {
      this.#break(`report ${this.#nextSequence} is missing; ${report.sequence} came instead`);
      return;
    }
    this.#nextSequence++;
    this.#latest = report;
    for (const waiter of this.#waiters) if (waiter.wanted(report)) waiter.resolve(report);
  }

  /** The first reason stays; whoever waits hears of it. */
  #break(why: string): void {
    this.#broken ??= new DockError('agent-absent', why);
    for (const waiter of this.#waiters) waiter.reject(this.#broken);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#connection.exitCode !== null || this.#connection.signalCode !== null) return;
    const ended = once(this.#connection, 'close');
    this.#connection.kill('SIGKILL');
    await ended;
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
