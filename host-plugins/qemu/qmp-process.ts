import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { adoptDetached, type DetachedProcess, startDetached } from '../system/process/detached-process.ts';
import { interruption } from '../system/process/interruption.ts';
import { QmpClient } from './qmp-client.ts';

export interface QmpProcessFiles {
  readonly qmpSocket: string;
  readonly pidFile: string;
  readonly logFile: string;
}

/** How a program is started, besides its arguments (detached-process.ts). */
export interface Launch {
  readonly launcher?: readonly string[];
  readonly workingFolder?: string;
  readonly inherited?: readonly number[];
}

/** How long a program that was asked to quit over QMP may take before it is sent SIGTERM, ms. */
const quitGraceMs = 5_000;
/** SIGTERM is handled by the same main loop: one that did not take `quit` will hardly take this, ms. */
const terminateGraceMs = 1_000;
/** Cleanup does not wait longer than this for a killed process, ms. */
const cleanupMs = 10_000;
/**
 * A socket between bind and listen refuses, and neither shows in inotify; so it is tried again this often,
 * ms.
 */
const retryMs = 20;

/**
 * A program with a QMP monitor (QEMU or its storage daemon) that outlives the daemon. Disposing detaches from
 * it and leaves it running: a daemon that stops never touches a VM.
 */
export class QmpProcess implements AsyncDisposable {
  readonly process: DetachedProcess;
  readonly qmp: QmpClient;
  #reconnecting: Promise<void> | undefined;

  private constructor(process: DetachedProcess, qmp: QmpClient) {
    this.process = process;
    this.qmp = qmp;
  }

  /**
   * Starts it, and returns when it takes commands. `conflict` when one runs already; when it ends instead,
   * `qemu-refused` with its last words. After a failure or an abort it does not run.
   */
  static async start(
    argv: readonly string[],
    files: QmpProcessFiles,
    signal: AbortSignal,
    launch: Launch = {},
  ): Promise<QmpProcess> {
    const [program = ''] = argv;
    const running = await adoptDetached(files, { program, marker: files.qmpSocket });
    if (running !== undefined) {
      throw new DockError('conflict', `${program} with ${files.qmpSocket} runs already (pid ${running.pid})`);
    }
    const { pidFile, logFile, qmpSocket } = files;
    const process = await startDetached(
      { ...launch, argv, pidFile, logFile, marker: qmpSocket },
      signal,
    ).catch((error: unknown) => {
      const cause = DockError.from(error);
      const { lastWords } = cause.detail ?? {};
      throw typeof lastWords === 'string' ? notStarted(program, lastWords, cause) : cause;
    });
    try {
      return new QmpProcess(process, await untilItTakesCommands(program, process, qmpSocket, signal));
    } catch (error) {
      await process.terminate(0, AbortSignal.timeout(cleanupMs));
      throw error;
    }
  }

  /**
   * Finds the one that an earlier life of the daemon started, and connects to it. Undefined when it does not
   * run. One that runs and does not answer before the signal stays as it is.
   */
  static async adopt(
    program: string,
    files: QmpProcessFiles,
    signal: AbortSignal,
  ): Promise<QmpProcess | undefined> {
    const process = await adoptDetached(files, { program, marker: files.qmpSocket });
    if (process === undefined) return undefined;
    try {
      return new QmpProcess(process, await untilItTakesCommands(program, process, files.qmpSocket, signal));
    } catch (error) {
      if (await process.isAlive()) throw error;
      return undefined;
    }
  }

  get pid(): number {
    return this.process.pid;
  }

  /**
   * Connects again, where the connection broke while the process lives; several callers at once share one
   * attempt.
   */
  async reconnect(signal: AbortSignal): Promise<void> {
    if (this.qmp.state === 'running') return;
    this.#reconnecting ??= this.#connectAgain(signal).finally(() => {
      this.#reconnecting = undefined;
    });
    await this.#reconnecting;
  }

  async #connectAgain(signal: AbortSignal): Promise<void> {
    await this.qmp.disconnect(); // the old connection may still be closing
    await this.qmp.connect(signal);
  }

  /** Resolves, with what it said last, when the process has ended: by itself, killed or asked to. */
  async exited(signal: AbortSignal): Promise<{ lastWords: string }> {
    await this.process.exited(signal);
    return { lastWords: await this.process.logTail() };
  }

  /**
   * Ends it: asked over QMP, then by SIGTERM, then by SIGKILL. The latter is needed where QEMU's disk is
   * away: to quit is to flush it, and until the disk is back or `reconnect-delay` is over QEMU then answers
   * nothing. Idempotent.
   */
  async quit(signal: AbortSignal): Promise<void> {
    const grace = AbortSignal.any([signal, AbortSignal.timeout(quitGraceMs)]);
    try {
      if (this.qmp.state === 'running') await this.qmp.execute('quit', {}, grace);
      await this.process.exited(grace);
    } catch {
      if (signal.aborted) throw interruption(signal, `the end of pid ${this.pid}`);
    }
    await this.process.terminate(terminateGraceMs, signal);
    await this.qmp.disconnect();
  }

  /** Ends it at once, as a power cut would. */
  async kill(signal: AbortSignal): Promise<void> {
    await this.process.kill('SIGKILL');
    await this.process.exited(signal);
    await this.process.forget();
    await this.qmp.disconnect();
  }

  /** Leaves it running and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.qmp.disconnect();
  }
}

async function untilItTakesCommands(
  program: string,
  process: DetachedProcess,
  path: string,
  signal: AbortSignal,
): Promise<QmpClient> {
  const client = new QmpClient(path);
  for (;;) {
    try {
      await client.connect(signal);
      return client;
    } catch (error) {
      if (!(error instanceof DockError) || error.kind !== 'qemu-gone') throw error;
      if (!(await process.isAlive())) throw notStarted(program, await process.logTail(), error);
    }
    await delay(retryMs, undefined, { signal }).catch(() => {
      throw interruption(signal, `the start of ${program}`);
    });
  }
}

function notStarted(program: string, words: string, cause: DockError): DockError {
  if (/Failed to get (shared )?"write" lock/.test(words)) {
    return new DockError('conflict', `${program} did not start: its disk image is open elsewhere: ${words}`, {
      cause,
    });
  }
  return new DockError(
    'qemu-refused',
    `${program} did not start: ${words === '' ? 'it said nothing' : words}`,
    {
      cause,
    },
  );
}
