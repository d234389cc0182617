import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';

interface Self {
  readonly name: string;
  readonly id: string;
  readonly certificatePem: string;
  readonly port: number;
}

export interface TunnelFacts {
  readonly links: readonly {
    readonly local: string;
    readonly remote: string;
    readonly deliveredBytes: number;
  }[];
  readonly channelCount: number;
  readonly resentBytes: number;
}

export interface Sent {
  readonly ms: number;
  readonly sha256: string;
  readonly error?: DockErrorData;
}

export interface TunnelDeviceOptions {
  readonly name: string;
  /** A network namespace; default: this process's. */
  readonly namespace?: string;
  /** What it listens on. */
  readonly address: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly patienceMs?: number;
  /** Of Node, before the program. */
  readonly nodeArguments?: readonly string[];
  /** What runs instead of tunnel-child.ts; it answers to `self` and `trust` as that one. */
  readonly program?: URL;
}

/** The parent's side of tunnel-child.ts: a device whose process can be killed and started again. */
export class TunnelDevice implements AsyncDisposable {
  readonly #options: TunnelDeviceOptions;
  readonly #folder: string;
  #child: ChildProcessWithoutNullStreams | undefined;
  #ended: Promise<never> = new Promise(() => undefined);
  #waiting: ((line: string) => void)[] = [];
  #self: Self | undefined;

  private constructor(options: TunnelDeviceOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  static async start(options: TunnelDeviceOptions): Promise<TunnelDevice> {
    const device = new TunnelDevice(options, await mkdtemp(join(tmpdir(), 'wdt-')));
    await device.start();
    return device;
  }

  get self(): Self {
    if (this.#self === undefined) throw new Error('it has not started');
    return this.#self;
  }

  async start(): Promise<void> {
    const { name, namespace, address, port = 0, patienceMs = 600_000, nodeArguments = [] } = this.#options;
    const script = fileURLToPath(this.#options.program ?? new URL('./tunnel-child.ts', import.meta.url));
    const settings = [name, address, String(port), String(patienceMs), this.#folder];
    const program = [process.execPath, ...nodeArguments, script, ...settings];
    const [command = '', ...argv] =
      namespace === undefined ? program : ['ip', 'netns', 'exec', namespace, ...program];
    const ready = new Promise<string>((resolve) => this.#waiting.push(resolve));
    const child = spawn(command, argv, { env: { ...process.env, TMPDIR: this.#folder } });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting.shift()?.(line));
    child.stderr.pipe(process.stderr);
    this.#ended = once(child, 'exit').then(() => {
      throw new Error(`the process of ${name} has ended`);
    });
    this.#ended.catch(() => undefined);
    await Promise.race([ready, this.#ended]);
    this.#self = await this.call<Self>('self');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.#waiting = [];
  }

  async call<T = void>(method: string, ...params: unknown[]): Promise<T> {
    const answer = new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child?.stdin.write(`${JSON.stringify({ method, params })}\n`);
    });
    const line = await Promise.race([answer, this.#ended]);
    const { result, error } = JSON.parse(line) as { result: T; error?: DockErrorData };
    if (error !== undefined) throw new DockError(error.kind, error.message, error);
    return result;
  }

  /** The other one trusts this one already, or not yet; `host` is where it is. */
  async trust(other: TunnelDevice, host: string): Promise<void> {
    await this.call('trust', other.self, `${host}:${other.self.port}`);
  }

  /** The one session that it has. */
  async facts(): Promise<TunnelFacts | undefined> {
    return (await this.call<TunnelFacts[]>('facts'))[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
