import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
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
  verdict: z.enum(['intact', 'damaged']).optional(),
});

/**
 * One TCP connection from a host of the lab to the load in the guest, held for as long as it is not disposed: that
 * it is still the same connection after a move is a part of what a test wants to know.
 */
export class VerifyWatch implements AsyncDisposable {
  readonly #connection: ChildProcess;
  readonly #lines: Interface;
  #latest: VerifyReport | undefined;
  #nextSequence = 0;
  #broken: DockError | undefined;

  private constructor(connection: ChildProcess, lines: Interface) {
    this.#connection = connection;
    this.#lines = lines;
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

  /** Has the guest check everything once more, the disk past its page cache; takes some seconds under TCG. */
  async verdict(signal: AbortSignal): Promise<VerifyReport & { verdict: 'intact' | 'damaged' }> {
    this.#connection.stdin?.write('verdict\n');
    const report = await this.#wait((candidate) => candidate.verdict !== undefined, signal);
    return report as VerifyReport & { verdict: 'intact' | 'damaged' };
  }

  async #wait(wanted: (report: VerifyReport) => boolean, signal: AbortSignal): Promise<VerifyReport> {
    for (;;) {
      if (this.#broken) throw this.#broken;
      try {
        const [report] = (await once(this.#lines, 'report', { signal })) as [VerifyReport | DockError];
        if (report instanceof DockError) throw report;
        if (wanted(report)) return report;
      } catch (error) {
        if (!signal.aborted) throw error;
        throw DockError.from(signal.reason, 'cancelled');
      }
    }
  }

  #take(line: string): void {
    const parsed = Report.safeParse(parseJson(line));
    if (!parsed.success)
      return this.#break(`the load in the guest sent what is no report: ${line.slice(0, 200)}`);
    const report = parsed.data as VerifyReport;
    if (report.sequence !== this.#nextSequence) {
      return this.#break(`report ${this.#nextSequence} is missing; ${report.sequence} came instead`);
    }
    this.#nextSequence++;
    this.#latest = report;
    this.#lines.emit('report', report);
  }

  /** The first reason stays; whoever waits hears of it. */
  #break(why: string): void {
    this.#broken ??= new DockError('agent-absent', why);
    this.#lines.emit('report', this.#broken);
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
