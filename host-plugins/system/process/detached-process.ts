import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { interruption } from './interruption.ts';
import { type CommandMark, findByMark, identify, ProcessIdentity, sameProcess } from './process-identity.ts';
import { lastLines } from './run.ts';
import { spawnFailure } from './spawn-failure.ts';
import { comeBack } from './step-aside.ts';
import { writeFileDurably } from './write-file-durably.ts';

interface DetachedStart {
  readonly argv: readonly string[];
  /** Its standard output and error are appended here. */
  readonly logFile: string;
  /** Where its identity is kept for `adoptDetached`. */
  readonly pidFile: string;
  /** A part of one of its arguments that no other process has. */
  readonly marker: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A program with its arguments that sets something up and then becomes `argv` (execve(2)), such as setpriv(1). */
  readonly launcher?: readonly string[];
  /** Its working folder. */
  readonly workingFolder?: string;
  /** Open files that it gets, as 3, 4, … */
  readonly inherited?: readonly number[];
}

/**
 * How often a process that is not our child is looked at, ms. Node has no pidfd, and /proc has no inotify;
 * who sees the process's socket close knows earlier.
 */
const lookEveryMs = 100;
/** How often a launcher is looked at, which takes some milliseconds to become the program, ms. */
const launchLookMs = 2;

/**
 * A process that outlives this one: own session, standard streams in a file, found again by `adoptDetached`.
 * Dropping this object never touches the process. A systemd unit that starts such processes needs
 * `KillMode=process`.
 */
export class DetachedProcess {
  readonly identity: ProcessIdentity;
  readonly #mark: CommandMark;
  readonly #logFile: string;
  readonly #pidFile: string;
  /** Where in the log file this process's own output begins, bytes; unknown (0) for an adopted one. */
  readonly #logStart: number;
  #child: ChildProcess | undefined;

  constructor(
    identity: ProcessIdentity,
    mark: CommandMark,
    files: { logFile: string; pidFile: string; logStart: number },
    child?: ChildProcess,
  ) {
    this.identity = identity;
    this.#mark = mark;
    this.#logFile = files.logFile;
    this.#pidFile = files.pidFile;
    this.#logStart = files.logStart;
    this.#child = child;
  }

  get pid(): number {
    return this.identity.pid;
  }

  async isAlive(): Promise<boolean> {
    if (this.#child !== undefined && (this.#child.exitCode ?? this.#child.signalCode) !== null) return false;
    return sameProcess(this.identity, await identify(this.pid, this.#mark));
  }

  /** Resolves when the process has ended, within 100 ms of it for an adopted one. */
  async exited(signal: AbortSignal): Promise<void> {
    try {
      const child = this.#child;
      if (child !== undefined && child.exitCode === null && child.signalCode === null) {
        child.ref(); // while somebody waits for it, this process must not end for want of work
        try {
          await once(child, 'exit', { signal });
        } finally {
          child.unref();
        }
      }
      while (await this.isAlive()) await delay(lookEveryMs, undefined, { signal });
    } catch (error) {
      if (signal.aborted) throw interruption(signal, `the end of ${this.#mark.program} (pid ${this.pid})`);
      throw error;
    }
  }

  /**
   * Sends a signal, unless the process has ended. Without a pidfd its pid could in theory be reused between
   * look and kill.
   */
  async kill(name: NodeJS.Signals): Promise<void> {
    if (!(await this.isAlive())) return;
    try {
      process.kill(this.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
        throw new DockError('io', `${this.#mark.program} (pid ${this.pid}) could not be sent ${name}`, {
          cause: error,
        });
      }
    }
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves when it has ended. The pid file is then removed. */
  async terminate(graceMs: number, signal: AbortSignal): Promise<void> {
    await this.kill('SIGTERM');
    try {
      await this.exited(AbortSignal.any([signal, AbortSignal.timeout(graceMs)]));
    } catch (error) {
      if (signal.aborted) throw error;
      await this.kill('SIGKILL');
      await this.exited(signal);
    }
    await this.forget();
  }

  /** Removes the pid file of a process that has ended. */
  async forget(): Promise<void> {
    await rm(this.#pidFile, { force: true });
  }

  /** What the process said last, for the message of an error. */
  async logTail(lines = 8): Promise<string> {
    const log = await readFile(this.#logFile).catch(() => undefined);
    return log === undefined ? '' : lastLines(log.subarray(this.#logStart).toString('utf8'), lines);
  }
}

/**
 * Starts a process that outlives this one. Rejects with `missing-dependency` when it is not installed. When
 * the pid file cannot be written the process is ended again.
 */
export async function startDetached(start: DetachedStart, signal: AbortSignal): Promise<DetachedProcess> {
  const [program] = start.argv;
  const [first = '', ...rest] = [...(start.launcher ?? []), ...start.argv];
  if (program === undefined) throw new DockError('internal', 'startDetached() needs a program');
  if (signal.aborted) throw interruption(signal, `the start of ${program}`);
  const log = await open(start.logFile, 'a', 0o600);
  try {
    const logStart = (await log.stat()).size;
    comeBack();
    const child = spawn(first, rest, {
      detached: true, // its own session: no signal of our terminal reaches it
      stdio: ['ignore', log.fd, log.fd, ...(start.inherited ?? [])],
      env: { ...process.env, ...start.environment },
      ...(start.workingFolder === undefined ? {} : { cwd: start.workingFolder }),
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw spawnFailure(first, error as Error);
    }
    child.unref();
    const mark = { program: program.slice(program.lastIndexOf('/') + 1), marker: start.marker };
    const files = { logFile: start.logFile, pidFile: start.pidFile, logStart };
    const identity = await untilLaunched(child, mark);
    if (identity === undefined) {
      const tail = lastLines((await readFile(start.logFile)).subarray(logStart).toString('utf8'), 8);
      throw new DockError('io', `${program} ended at once${tail === '' ? '' : `: ${tail}`}`, {
        detail: { lastWords: tail },
      });
    }
    try {
      await writeFileDurably(start.pidFile, `${JSON.stringify(identity)}\n`);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return new DetachedProcess(identity, mark, files, child);
  } finally {
    await log.close();
  }
}

/** Its identity, once its launcher has become the program; undefined when it has ended. */
async function untilLaunched(child: ChildProcess, mark: CommandMark): Promise<ProcessIdentity | undefined> {
  for (;;) {
    const ended = (child.exitCode ?? child.signalCode) !== null;
    const identity = await identify(child.pid ?? 0, mark);
    if (identity !== undefined || ended) return identity;
    await delay(launchLookMs);
  }
}

/**
 * Finds a process that an earlier life of this program started: by its pid file, or, where that life was
 * killed before it wrote one, by its command line. Undefined when it does not run; a stale pid file is then
 * removed.
 */
export async function adoptDetached(
  files: { readonly pidFile: string; readonly logFile: string },
  mark: CommandMark,
): Promise<DetachedProcess | undefined> {
  const kept = await readIdentity(files.pidFile);
  const named = kept === undefined ? undefined : await identify(kept.pid, mark);
  const identity = kept !== undefined && sameProcess(kept, named) ? kept : await findByMark(mark);
  if (identity === undefined) {
    await rm(files.pidFile, { force: true });
    return undefined;
  }
  if (identity !== kept) await writeFileDurably(files.pidFile, `${JSON.stringify(identity)}\n`);
  const size = await stat(files.logFile).then(
    (found) => found.size,
    () => 0,
  );
  return new DetachedProcess(identity, mark, { ...files, logStart: Math.max(0, size - 4096) });
}

async function readIdentity(pidFile: string): Promise<ProcessIdentity | undefined> {
  try {
    return ProcessIdentity.parse(JSON.parse(await readFile(pidFile, 'utf8')));
  } catch {
    return undefined; // missing or torn: the command line still tells
  }
}
