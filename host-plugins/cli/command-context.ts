import { DockError } from '../../protocol/dock-error.ts';
import type { DaemonConfig } from '../daemon/config.ts';
import type { DeviceMark } from '../daemon/control-protocol.ts';
import { connectDaemon, type DaemonClient } from './daemon-client.ts';
import { exitCodeOf, exitCodes } from './exit-code.ts';
import { simulatedMark } from './render/render-status.ts';
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
  /** Who answered last; absent while no wdockd was asked. */
  device: DeviceMark | undefined;

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

  /** The object for programs, or the text for people; both say so when the device is simulated. */
  print(value: object, text: string): void {
    const simulated = this.device?.simulated === true;
    if (this.json) this.terminal.out(JSON.stringify(simulated ? { simulated, ...value } : value));
    else {
      this.terminal.out(printable(text));
      if (simulated && !text.includes(simulatedMark(true))) this.terminal.out(this.#simulatedNote());
    }
  }

  /** For output that has to be exactly `text`; the mark then stands on standard error. */
  printExactly(text: string): void {
    this.terminal.out(text);
    if (this.device?.simulated === true) this.terminal.err(this.#simulatedNote());
  }

  #simulatedNote(): string {
    return printable(`(simulated): ${this.device?.name} is played from a profile file`);
  }

  async config(): Promise<DaemonConfig | undefined> {
    return await readConfig(this.options, this.context.environment, this.signal);
  }

  /** Talks to wdockd and hangs up afterwards. */
  async withDaemon<V>(talk: (daemon: DaemonClient) => Promise<V>): Promise<V> {
    const path = await controlSocketPath(this.options, this.context.environment, this.signal);
    const { client, device } = await connectDaemon(path, this.signal);
    await using daemon = client;
    this.device = device;
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

export const done = exitCodes.ok;
