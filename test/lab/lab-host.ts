import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DockError } from '../../protocol/dock-error.ts';
import { DockErrorShape } from '../../protocol/dock-error-shape.ts';
import { TripOutcome } from '../../protocol/outcome.ts';
import { ProgressEvent } from '../../protocol/progress-event.ts';
import { cacheFolder } from './cache/cache-folder.ts';
import { compiledCode } from './cache/compiled-code.ts';
import type { NetworkNamespace } from './network/network-namespace.ts';
import { runCommand } from './run-command.ts';

const project = join(import.meta.dirname, '../..');
const wdockd = join(project, 'host-plugins/daemon/main.ts');
const wdock = join(project, 'host-plugins/cli/main.ts');

/** Node takes about a second to load wdockd on a loaded machine; recovery of a VM some more, ms. */
const startLimitMs = 60_000;

export interface LabHostOptions {
  readonly name: 'mid' | 'pc';
  readonly namespace: NetworkNamespace;
  readonly address: string;
  /** Everything of this host is below it; short, because a socket's path has at most 107 bytes. */
  readonly folder: string;
  /** What it pretends to be, a file of `profiles/` without its ending; default: `name`. */
  readonly profile?: LabProfile;
  /** Folders of its `baseImages`; default: none. */
  readonly baseImages?: readonly string[] | undefined;
  /** Address of the bus that it has as its system's, and serves; default: none. */
  readonly systemBus?: string | undefined;
  /** Its `migration.stallLimitMs`, ms; default: as wdockd has it. */
  readonly stallLimitMs?: number | undefined;
}

export type LabProfile = 'mid' | 'pc' | 'small-pc' | 'twin' | 'kiosk';

/** A simulated device: a wdockd of its own in a network namespace of its own, with its own state. */
export class LabHost implements AsyncDisposable {
  readonly name: 'mid' | 'pc';
  readonly namespace: NetworkNamespace;
  readonly address: string;
  readonly folder: string;
  readonly configFile: string;
  readonly systemBus: string | undefined;
  #daemon: ChildProcess | undefined;
  readonly #log: string[] = [];

  constructor({ name, namespace, address, folder, systemBus }: LabHostOptions) {
    this.name = name;
    this.namespace = namespace;
    this.address = address;
    this.folder = folder;
    this.configFile = join(folder, 'wdockd.yaml');
    this.systemBus = systemBus;
  }

  /** Writes its configuration and starts wdockd; returns when it answers. */
  static async start(options: LabHostOptions): Promise<LabHost> {
    const host = new LabHost(options);
    await mkdir(host.folder, { recursive: true });
    const profile = options.profile ?? options.name;
    const deviceClass = profile === 'mid' || profile === 'kiosk' ? profile : 'desktop';
    await writeFile(
      host.configFile,
      [
        'device:',
        `  name: ${options.name}`,
        `  class: ${deviceClass}`,
        'stateFolder: state',
        'runtimeFolder: run',
        'policies: [policies]',
        `visitorKernels: [${cacheFolder()}]`,
        `baseImages: ${JSON.stringify(options.baseImages ?? [])}`,
        `profile: ${join(import.meta.dirname, 'profiles', `${profile}.yaml`)}`,
        `dbus: { serve: ${options.systemBus !== undefined} }`,
        'identity: { tpm: off }',
        ...(options.stallLimitMs === undefined
          ? []
          : [`migration: { stallLimitMs: ${options.stallLimitMs} }`]),
        'log: { level: debug }',
        '',
      ].join('\n'),
    );
    await host.startDaemon();
    return host;
  }

  get daemonPid(): number {
    if (this.#daemon?.pid === undefined)
      throw new DockError('conflict', `wdockd of ${this.name} does not run`);
    return this.#daemon.pid;
  }

  /** The last lines of wdockd's log. */
  get log(): readonly string[] {
    return this.#log;
  }

  async startDaemon(): Promise<void> {
    const daemon = this.namespace.spawn([process.execPath, wdockd, '--config', this.configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Never this machine's own: its logind and Avahi are not those of a simulated device.
      env: {
        ...process.env,
        ...compiledCode,
        DBUS_SYSTEM_BUS_ADDRESS: this.systemBus ?? `unix:path=${this.folder}/no-system-bus`,
      },
    });
    this.#daemon = daemon;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    for (const stream of [daemon.stdout, daemon.stderr]) {
      createInterface(stream as NonNullable<typeof stream>).on('line', (line) => {
        this.#log.push(line);
        if (this.#log.length > 2000) this.#log.shift();
        if (line.includes('"msg":"ready"')) resolve();
      });
    }
    daemon.once('exit', (code) =>
      reject(
        new DockError('io', `wdockd of ${this.name} ended with ${code}:\n${this.#log.slice(-12).join('\n')}`),
      ),
    );
    const late = AbortSignal.timeout(startLimitMs);
    late.addEventListener('abort', () =>
      reject(new DockError('timeout', `wdockd of ${this.name} is not ready`)),
    );
    await promise;
  }

  /** `kill -9`: what a crash leaves. QEMU and its helpers live on. */
  async killDaemon(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.#daemon = undefined;
    if (daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await ended;
  }

  /** `wdock … --json`, parsed. Throws what wdock reports. */
  async wdock(args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const options = { environment: compiledCode };
    return JSON.parse(await runCommand(this.wdockCommand(['--json', ...args]), options, signal));
  }

  wdockCommand(args: readonly string[]): string[] {
    return this.namespace.enter([process.execPath, wdock, '--config', this.configFile, ...args]);
  }

  /**
   * `wdock --json dock TARGET` or `undock`, with each event as it comes. Throws the error of a trip that failed, with
   * its kind.
   */
  async trip(
    args: readonly ['dock', string, ...string[]] | readonly ['undock'],
    onEvent: (event: ProgressEvent) => void,
    signal: AbortSignal,
  ): Promise<TripOutcome> {
    let outcome: TripOutcome | undefined;
    let failure: DockError | undefined;
    const onLine = (line: string): void => {
      const parsed = ProgressEvent.safeParse(parseJson(line));
      if (!parsed.success) return;
      const event = parsed.data;
      if (event.kind === 'trip-done') outcome = event.outcome;
      if (event.kind === 'trip-failed') {
        const { kind, message, detail } = DockErrorShape.parse(event.error);
        failure = new DockError(kind, message, detail === undefined ? {} : { detail });
      }
      onEvent(event);
    };
    try {
      const options = { onLine, environment: compiledCode };
      await runCommand(this.wdockCommand(['--json', ...args]), options, signal);
    } catch (error) {
      throw failure ?? error;
    }
    if (outcome === undefined)
      throw new DockError('protocol', `wdock ${args.join(' ')} ended without an outcome`);
    return TripOutcome.parse(outcome);
  }

  /** Ends wdockd; what it left running ends with the namespace. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.killDaemon();
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
