import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  type AgentMethod,
  type AgentParams,
  type AgentResult,
  agentMethods,
  agentProtocolVersion,
  FromGuest,
  type HostDescription,
} from '../../protocol/agent-channel.ts';
import { AgentFrameReader, encodeAgentFrame } from '../../protocol/agent-frame.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { GuestAgent } from '../contract/virtual-machine.ts';

/** How often a guest that has not answered is greeted again; it may still be booting. */
const helloEveryMs = 1000;
const reconnectMs = 200;

interface Call {
  readonly id: number;
  readonly method: AgentMethod;
  readonly params: unknown;
  readonly settle: (answer: { result?: unknown; error?: DockError }) => void;
}

export type AgentLinkState =
  | { state: 'connecting' }
  | { state: 'greeting' }
  | { state: 'open'; agentVersion: string; bootId: string }
  | { state: 'incompatible'; agentVersion: string; protocol: number }
  | { state: 'closed' };

/**
 * The host's end of the agent's port (protocol/agent-channel.ts): a unix socket that QEMU listens on. Connects
 * again by itself when the socket closes; a call that was under way is asked again in the next session, for every
 * method of the agent is idempotent.
 */
export class AgentLink implements GuestAgent, AsyncDisposable {
  readonly #path: string;
  readonly #describe: () => { epoch: number; host: HostDescription };
  readonly #onEvent: (event: string, data: unknown) => void;
  #socket: Socket | undefined;
  #session = '';
  #state: AgentLinkState = { state: 'connecting' };
  #nextId = 1;
  #timer: NodeJS.Timeout | undefined;
  readonly #calls = new Map<number, Call>();
  readonly #waiters = new Set<() => void>();

  constructor(
    path: string,
    describe: () => { epoch: number; host: HostDescription },
    onEvent: (event: string, data: unknown) => void = () => {},
  ) {
    this.#path = path;
    this.#describe = describe;
    this.#onEvent = onEvent;
    this.#connect();
  }

  get state(): AgentLinkState {
    return this.#state;
  }

  /** Opens a new session: what the guest knows of its host is said anew. Used after each move. */
  greet(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#state.state === 'connecting' || this.#state.state === 'closed') return;
    this.#enter({ state: 'greeting' });
    this.#hello();
  }

  /**
   * Waits until the guest has answered a greeting. Throws `agent-absent` when the signal is aborted first,
   * `agent-refused` when the agent speaks another version of the protocol.
   */
  async ready(signal: AbortSignal): Promise<{ agentVersion: string; bootId: string }> {
    for (;;) {
      const now = this.#state;
      if (now.state === 'open') return { agentVersion: now.agentVersion, bootId: now.bootId };
      if (now.state === 'incompatible') throw incompatible(now.agentVersion, now.protocol);
      if (now.state === 'closed')
        throw new DockError('agent-absent', 'the link to the guest agent is closed');
      if (signal.aborted) throw absent();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  async call<M extends AgentMethod>(
    method: M,
    params: AgentParams<M>,
    signal: AbortSignal,
  ): Promise<AgentResult<M>> {
    await this.ready(signal);
    const id = this.#nextId++;
    const answer = await new Promise<{ result?: unknown; error?: DockError }>((resolve) => {
      const onAbort = (): void => settle({ error: DockError.from(signal.reason, 'cancelled') });
      const settle = (value: { result?: unknown; error?: DockError }): void => {
        this.#calls.delete(id);
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      };
      const call: Call = { id, method, params, settle };
      this.#calls.set(id, call);
      if (signal.aborted) onAbort();
      else {
        signal.addEventListener('abort', onAbort, { once: true });
        this.#request(call);
      }
    });
    if (answer.error !== undefined) {
      throw answer.error.kind === 'timeout'
        ? new DockError('agent-absent', `the guest agent did not answer "${method}" in time`, {
            cause: answer.error,
          })
        : answer.error;
    }
    const parsed = agentMethods[method].result.safeParse(answer.result);
    if (!parsed.success) {
      throw new DockError(
        'protocol',
        `the guest agent's answer to "${method}" is of a wrong shape: ${parsed.error.message}`,
      );
    }
    return parsed.data as AgentResult<M>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#enter({ state: 'closed' });
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#socket = undefined;
    for (const call of [...this.#calls.values()]) call.settle({ error: absent() });
  }

  #connect(): void {
    const reader = new AgentFrameReader();
    const socket = connect(this.#path);
    this.#socket = socket;
    socket.on('connect', () => {
      this.#enter({ state: 'greeting' });
      this.#hello();
    });
    socket.on('data', (chunk) => {
      for (const message of reader.push(chunk)) this.#receive(message);
    });
    // 'close' follows every error, and is where the reconnect is decided.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket !== socket || this.#state.state === 'closed') return;
      this.#enter({ state: 'connecting' });
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#connect(), reconnectMs);
    });
  }

  #hello(): void {
    this.#session = randomBytes(12).toString('hex');
    const { epoch, host } = this.#describe();
    this.#send({ type: 'host-hello', protocol: agentProtocolVersion, session: this.#session, epoch, host });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#state.state === 'greeting') this.#hello();
    }, helloEveryMs);
  }

  #request(call: Call): void {
    this.#send({
      type: 'request',
      session: this.#session,
      id: call.id,
      method: call.method,
      params: call.params,
    });
  }

  #send(message: unknown): void {
    this.#socket?.write(encodeAgentFrame(message));
  }

  #receive(raw: unknown): void {
    const parsed = FromGuest.safeParse(raw);
    if (!parsed.success) return;
    const message = parsed.data;
    switch (message.type) {
      case 'guest-hello': {
        if (message.protocol !== agentProtocolVersion) {
          this.#enter({
            state: 'incompatible',
            agentVersion: message.agentVersion,
            protocol: message.protocol,
          });
          const error = incompatible(message.agentVersion, message.protocol);
          for (const call of [...this.#calls.values()]) call.settle({ error });
        } else if (message.session === this.#session) {
          clearTimeout(this.#timer);
          this.#enter({ state: 'open', agentVersion: message.agentVersion, bootId: message.bootId });
          for (const call of this.#calls.values()) this.#request(call);
        } else if (message.session === '') {
          this.#enter({ state: 'greeting' });
          this.#hello();
        }
        return;
      }
      case 'response': {
        if (message.session !== this.#session) return;
        const { error, result } = message;
        this.#calls.get(message.id)?.settle(
          error === undefined
            ? { result }
            : {
                error: new DockError(
                  'agent-refused',
                  error.message,
                  error.detail === undefined ? {} : { detail: error.detail },
                ),
              },
        );
        return;
      }
      case 'event':
        if (message.session === this.#session) this.#onEvent(message.event, message.data);
        return;
    }
  }

  #enter(state: AgentLinkState): void {
    if (this.#state.state === 'closed') return;
    this.#state = state;
    for (const wake of [...this.#waiters]) wake();
  }
}

function absent(): DockError {
  return new DockError(
    'agent-absent',
    'the guest agent does not answer; install wireless-dock-agent in the guest and start wireless-dock-agent.service',
  );
}

function incompatible(agentVersion: string, protocol: number): DockError {
  return new DockError(
    'agent-refused',
    `the guest's agent ${agentVersion} speaks version ${protocol} of the agent protocol and this host version ` +
      `${agentProtocolVersion}; install the same version of wireless-dock and wireless-dock-agent`,
  );
}
