import { DockError } from '../../protocol/dock-error.ts';
import type { DaemonConfig } from '../daemon/config.ts';
import { connectDaemon, type DaemonClient } from './daemon-client.ts';
import { exitCodeOf, exitCodes } from './exit-code.ts';
import { controlSocketPath, type GlobalOptions, readConfig } from './settings.ts';
import { printable, type Terminal } from './terminal.ts';

/** What commands act on; one a process. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** A second Ctrl-C. */
  readonly impatience: AbortSignal;
}

/** One command while it runs. */
export class CommandRun {
  readonly context: CommandContext;
  readonly options: GlobalOptions;

  constructor(context: CommandContext, options: GlobalOptions) {
    this.context = context;
    this.options = options;
  }

  get json(): boolean {
    return this.options.json === true;
  }

  get terminal(): Terminal {
    return this.context.terminal;
  }

  get signal(): AbortSignal {
    return this.context.signal;
  }

  /** The object for programs, or the text for people. */
  print(value: unknown, text: string): void {
    this.terminal.out(this.json ? JSON.stringify(value) : printable(text));
  }

  async config(): Promise<DaemonConfig | undefined> {
    return await readConfig(this.options, this.context.environment);
  }

  /** Talks to wdockd and hangs up afterwards. */
  async withDaemon<V>(talk: (daemon: DaemonClient) => Promise<V>): Promise<V> {
    const path = await controlSocketPath(this.options, this.context.environment);
    await using daemon = await connectDaemon(path, this.signal);
    return await talk(daemon);
  }

  /**
   * What failed, on what, what to do: for people on standard error, for programs as `{"error":…}` on standard
   * output, where they read everything else. Returns the exit code.
   */
  fail(thrown: unknown): number {
    const error = DockError.from(thrown);
    if (this.json) this.terminal.out(JSON.stringify({ error: error.toData() }));
    this.terminal.err(`wdock: ${printable(error.message)}`);
    return exitCodeOf(error);
  }
}

/** What a command ends with: its exit code. */
export type Command<Arguments extends unknown[]> = (run: CommandRun, ...args: Arguments) => Promise<number>;

export const done = exitCodes.ok;
