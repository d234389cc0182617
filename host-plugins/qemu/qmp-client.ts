import { connect as connectSocket, type Socket } from 'node:net';
import { DockError } from '../../protocol/dock-error.ts';
import type { Qmp, QmpEvent } from '../contract/virtual-machine.ts';
import { interruption } from '../system/process/interruption.ts';
import { QmpEvents } from './qmp-events.ts';
import { QmpLines } from './qmp-lines.ts';
import { parseQmpMessage, type QemuVersion, type QmpMessage } from './qmp-message.ts';

interface QmpOptions {
  /** A longer message breaks the connection, bytes. The longest that QEMU 10 has, its schema, is 0.3 MB. */
  readonly maxMessageBytes?: number;
}

interface Call {
  readonly id: string;
  readonly command: string;
  readonly line: string;
  readonly outOfBand: boolean;
  readonly answer: PromiseWithResolvers<unknown>;
  /** Its caller left after it was sent; the answer will come and is dropped. */
  abandoned: boolean;
}

type Connection =
  | { readonly state: 'idle' }
  | { readonly state: 'connecting'; readonly socket: Socket }
  | {
      readonly state: 'running';
      readonly socket: Socket;
      readonly version: QemuVersion;
      readonly oob: boolean;
    }
  | { readonly state: 'disconnecting'; readonly socket: Socket };

type QmpState = Connection['state'];

/**
 * A QMP connection over a unix socket. QEMU serves one client at a time and greets the next when this one has
 * gone, so a restarted daemon just connects again. A refused command throws `qemu-refused`; a dead socket
 * rejects all that waits with `qemu-gone`, bytes that are no QMP with `protocol`; after both the client is
 * idle and may connect again.
 *
 * Commands are sent one after the other, each when the one before was answered: one that is cancelled before
 * its turn is never executed. One that is cancelled later may be executed; its answer is dropped.
 */
export class QmpClient implements Qmp, AsyncDisposable {
  readonly path: string;
  readonly #maxMessageBytes: number;
  readonly #events = new QmpEvents();
  #connection: Connection = { state: 'idle' };
  #queue: Call[] = [];
  #inFlight: Call | undefined;
  readonly #outOfBand = new Map<string, Call>();
  #nextId = 1;
  #greeting: PromiseWithResolvers<void> | undefined;
  #closed = Promise.withResolvers<DockError>();
  /** Why this side broke the present connection. */
  #brokenBy: DockError | undefined;

  constructor(path: string, options: QmpOptions = {}) {
    this.path = path;
    this.#maxMessageBytes = options.maxMessageBytes ?? 16 * 1024 * 1024;
  }

  /** Connects, and returns when QEMU takes commands. */
  static async connect(path: string, signal: AbortSignal, options?: QmpOptions): Promise<QmpClient> {
    const client = new QmpClient(path, options);
    await client.connect(signal);
    return client;
  }

  get state(): QmpState {
    return this.#connection.state;
  }

  /** QEMU's version, as it greeted. Throws `qemu-gone` when not connected. */
  get version(): QemuVersion {
    return this.#running('version').version;
  }

  /** Resolves, with the reason, when the present connection has ended; of `disconnect` too. */
  get closed(): Promise<DockError> {
    return this.#closed.promise;
  }

  /** How many event listeners are open; for tests of leaks. */
  get openListeners(): number {
    return this.#events.openCount;
  }

  /** Greets and negotiates. When it fails the client is idle again. */
  async connect(signal: AbortSignal): Promise<void> {
    if (this.#connection.state !== 'idle') {
      throw new DockError('conflict', `QMP to ${this.path} is ${this.#connection.state} already`);
    }
    if (signal.aborted) throw interruption(signal, `the QMP greeting on ${this.path}`);
    const socket = connectSocket(this.path);
    this.#connection = { state: 'connecting', socket };
    this.#closed = Promise.withResolvers();
    this.#brokenBy = undefined;
    const greeting = Promise.withResolvers<void>();
    this.#greeting = greeting;
    const onAbort = () => this.#fail(interruption(signal, `the QMP greeting on ${this.path}`));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#listen(socket);
    try {
      await greeting.promise;
      const { oob } = this.#running('qmp_capabilities');
      await this.execute('qmp_capabilities', { enable: oob ? ['oob'] : [] }, signal);
    } catch (error) {
      this.#fail(DockError.from(error));
      await this.disconnect();
      throw this.#brokenBy ?? error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  execute<T = unknown>(command: string, args: object, signal: AbortSignal): Promise<T> {
    return this.#submit('execute', command, args, signal) as Promise<T>;
  }

  /**
   * Executes a command that QEMU takes past the waiting ones and past a blocked main loop: `yank`,
   * `migrate-pause`, `migrate-recover`. Throws `qemu-refused` where it may not be executed so.
   */
  executeOutOfBand<T = unknown>(command: string, args: object, signal: AbortSignal): Promise<T> {
    return this.#submit('exec-oob', command, args, signal) as Promise<T>;
  }

  /**
   * Events with one of these names, or all. Throws `qemu-gone` from the read when the socket dies, ends at
   * abort.
   */
  events(signal: AbortSignal, ...names: string[]): AsyncIterable<QmpEvent> {
    this.#running('events');
    return this.#events.open(signal, names);
  }

  /** Leaves QEMU running. Idempotent; what waits is rejected with `qemu-gone`. */
  async disconnect(): Promise<void> {
    const connection = this.#connection;
    if (connection.state === 'idle') return;
    const { socket } = connection;
    if (connection.state !== 'disconnecting') {
      this.#rejectAll(
        new DockError('qemu-gone', `the QMP connection to ${this.path} was closed from this side`),
      );
      this.#connection = { state: 'disconnecting', socket };
      socket.destroy();
    }
    await this.#closed.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect();
  }

  #running(command: string): Extract<Connection, { state: 'running' }> {
    if (this.#connection.state === 'running') return this.#connection;
    throw new DockError('qemu-gone', `"${command}" needs QEMU, and QMP on ${this.path} is ${this.state}`);
  }

  async #submit(
    verb: 'execute' | 'exec-oob',
    command: string,
    args: object,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (signal.aborted) throw interruption(signal, `the answer to "${command}"`);
    const { oob } = this.#running(command);
    const outOfBand = verb === 'exec-oob';
    if (outOfBand && !oob) throw new DockError('qemu-refused', `QEMU takes no "${command}" out of band`);
    const id = `${outOfBand ? 'oob' : 'dock'}-${this.#nextId++}`;
    const call: Call = {
      id,
      command,
      line: `${JSON.stringify({ [verb]: command, arguments: args, id })}\n`,
      outOfBand,
      answer: Promise.withResolvers(),
      abandoned: false,
    };
    const onAbort = () => {
      this.#queue = this.#queue.filter((other) => other !== call);
      call.abandoned = true;
      call.answer.reject(interruption(signal, `the answer to "${command}"`));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (outOfBand) {
      this.#outOfBand.set(id, call);
      this.#write(call);
    } else {
      this.#queue.push(call);
      this.#sendNext();
    }
    try {
      return await call.answer.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #sendNext(): void {
    if (this.#inFlight !== undefined) return;
    this.#inFlight = this.#queue.shift();
    if (this.#inFlight !== undefined) this.#write(this.#inFlight);
  }

  #write(call: Call): void {
    if (this.#connection.state === 'running') this.#connection.socket.write(call.line);
  }

  #listen(socket: Socket): void {
    const lines = new QmpLines(this.#maxMessageBytes);
    let lost: DockError | undefined;
    socket.on('data', (bytes) => {
      if (socket.destroyed) return;
      try {
        for (const line of lines.push(bytes)) this.#receive(parseQmpMessage(line));
      } catch (error) {
        this.#fail(DockError.from(error));
      }
    });
    socket.on('error', (error) => {
      lost = new DockError('qemu-gone', `QMP on ${this.path}: ${error.message}`, { cause: error });
    });
    socket.on('close', () => {
      const reason =
        this.#brokenBy ?? lost ?? new DockError('qemu-gone', `QEMU closed its QMP socket ${this.path}`);
      this.#rejectAll(reason);
      this.#connection = { state: 'idle' };
      this.#closed.resolve(reason);
    });
  }

  #receive(message: QmpMessage): void {
    if (message.kind === 'greeting') {
      if (this.#connection.state !== 'connecting') throw new DockError('protocol', 'QEMU greeted twice');
      const { version, capabilities } = message;
      const { socket } = this.#connection;
      this.#connection = { state: 'running', socket, version, oob: capabilities.includes('oob') };
      this.#greeting?.resolve();
      this.#greeting = undefined;
      return;
    }
    if (this.#greeting !== undefined) {
      throw new DockError('protocol', `what listens on ${this.path} does not greet as QEMU does`);
    }
    if (message.kind === 'event') {
      this.#events.publish({ event: message.event, data: message.data, at: message.at });
      return;
    }
    const call = this.#takeCall(message.id);
    if (call.abandoned) return;
    if (message.kind === 'success') call.answer.resolve(message.value);
    else {
      call.answer.reject(
        new DockError('qemu-refused', `QEMU refused "${call.command}": ${message.desc}`, {
          detail: { command: call.command, class: message.errorClass, desc: message.desc },
        }),
      );
    }
  }

  /** The call that an answer is for; in-band answers come in the order of their commands. */
  #takeCall(id: string | undefined): Call {
    const outOfBand = id === undefined ? undefined : this.#outOfBand.get(id);
    if (outOfBand !== undefined) {
      this.#outOfBand.delete(outOfBand.id);
      return outOfBand;
    }
    const call = this.#inFlight;
    if (call === undefined || call.id !== id) {
      throw new DockError('protocol', `QEMU answered "${id ?? ''}", which was not asked now`);
    }
    this.#inFlight = undefined;
    this.#sendNext();
    return call;
  }

  /** Breaks the connection; the first cause wins. */
  #fail(why: DockError): void {
    const connection = this.#connection;
    if (connection.state === 'idle' || connection.state === 'disconnecting') return;
    this.#brokenBy = why;
    this.#rejectAll(why);
    this.#connection = { state: 'disconnecting', socket: connection.socket };
    connection.socket.destroy();
  }

  #rejectAll(why: DockError): void {
    const calls = [...this.#queue, ...this.#outOfBand.values()];
    if (this.#inFlight !== undefined) calls.push(this.#inFlight);
    this.#queue = [];
    this.#inFlight = undefined;
    this.#outOfBand.clear();
    for (const call of calls) call.answer.reject(why);
    this.#greeting?.reject(why);
    this.#greeting = undefined;
    this.#events.fail(why);
  }
}
