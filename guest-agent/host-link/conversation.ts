import type * as z from 'zod';
import {
  type AgentEvent,
  type AgentMethod,
  type AgentRequest,
  type AgentResponse,
  agentMethods,
  agentProtocolVersion,
  FromHost,
  type GuestHello,
  type HostHello,
} from '../../protocol/agent-channel.ts';
import { AgentFrameReader, encodeAgentFrame } from '../../protocol/agent-frame.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { PortListener } from './agent-port.ts';
import { ResourceQueue } from './resource-queue.ts';

/** What the agent does for the host: for each method a handler, and the resource that it changes. */
export type AgentHandlers = {
  readonly [M in AgentMethod]: {
    /** Requests with the same one run one after the other; absent: at any time. */
    readonly resource?: string;
    handle(
      params: z.output<(typeof agentMethods)[M]['params']>,
      signal: AbortSignal,
    ): Promise<z.output<(typeof agentMethods)[M]['result']>>;
  };
};

export interface ConversationOptions {
  readonly agentVersion: string;
  /** /proc/sys/kernel/random/boot_id: tells a moved guest from one that was started again. */
  readonly bootId: string;
  readonly handlers: AgentHandlers;
  readonly send: (frame: Uint8Array) => void;
  readonly greeted: (hello: z.output<typeof HostHello>) => void;
  readonly note: (text: string) => void;
}

/** Longest that a request may take, ms; the longest that the protocol allows to ask for is 60 s. */
const requestLimitMs = 120_000;
const rememberedIds = 64;

/**
 * The guest's side of the conversation (protocol/agent-channel.ts): answers each host's hello, runs its requests,
 * and answers only into the session that asked. What arrives is not trusted: a message of a wrong shape is
 * noted and dropped.
 */
export class Conversation implements PortListener {
  readonly #options: ConversationOptions;
  readonly #queue = new ResourceQueue();
  readonly #stop = new AbortController();
  #reader = new AgentFrameReader();
  #session: { readonly id: string; readonly compatible: boolean; readonly seen: number[] } | undefined;
  #badMessages = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  greet(): Uint8Array {
    return encodeAgentFrame(this.#hello(''));
  }

  receive(bytes: Uint8Array): void {
    for (const message of this.#reader.push(bytes)) this.#handle(message);
  }

  ended(): void {
    this.#reader = new AgentFrameReader();
    this.#session = undefined;
  }

  /** Sends an event into the present session; lost where there is none. */
  tell(event: z.output<typeof AgentEvent>['event'], data?: unknown): void {
    const session = this.#session;
    if (session?.compatible !== true) return;
    this.#send({ type: 'event', session: session.id, event, ...(data === undefined ? {} : { data }) });
  }

  /** Breaks off what runs; nothing is answered any more. */
  close(reason: DockError): void {
    this.#session = undefined;
    this.#stop.abort(reason);
  }

  #handle(raw: unknown): void {
    const parsed = FromHost.safeParse(raw);
    if (!parsed.success) {
      this.#badMessages += 1;
      // Often enough to be seen, too seldom to fill a log: the 1st, 10th, 100th …
      if (Number.isInteger(Math.log10(this.#badMessages)))
        this.#options.note(
          `${this.#badMessages} message(s) of the host had a wrong shape; they were dropped`,
        );
      return;
    }
    if (parsed.data.type === 'host-hello') this.#open(parsed.data);
    else void this.#serve(parsed.data);
  }

  #open(hello: z.output<typeof HostHello>): void {
    const compatible = hello.protocol === agentProtocolVersion;
    this.#session = { id: hello.session, compatible, seen: [] };
    this.#send(this.#hello(hello.session));
    if (compatible) this.#options.greeted(hello);
    else this.#options.note(`${this.#mismatch()} (its host is "${hello.host.name}")`);
  }

  async #serve(request: z.output<typeof AgentRequest>): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.id !== request.session) return;
    // Bytes can arrive twice at a switch-over.
    if (session.seen.includes(request.id)) return;
    session.seen.push(request.id);
    if (session.seen.length > rememberedIds) session.seen.shift();
    const answer: z.output<typeof AgentResponse> = { type: 'response', session: session.id, id: request.id };
    try {
      if (!session.compatible) throw new DockError('protocol', this.#mismatch());
      answer.result = await this.#run(request.method, request.params);
    } catch (error) {
      answer.error = DockError.from(error).toData();
    }
    if (this.#session === session) this.#send(answer);
  }

  async #run(method: string, params: unknown): Promise<unknown> {
    if (!isAgentMethod(method))
      throw new DockError('protocol', `the agent has no method "${method.slice(0, 60)}"`);
    const parsed = agentMethods[method].params.safeParse(params);
    if (!parsed.success) {
      const faults = parsed.error.issues.map(
        ({ path, message }) => `${path.join('.') || 'params'}: ${message}`,
      );
      throw new DockError('protocol', `${method}: ${faults.join('; ')}`);
    }
    const { resource, handle } = this.#options.handlers[method] as AnyHandler;
    return this.#queue.run(resource, async () => {
      const limit = new AbortController();
      const late = new DockError('timeout', `${method} did not end within ${requestLimitMs} ms`);
      const timer = setTimeout(() => limit.abort(late), requestLimitMs);
      const stop = (): void => limit.abort(this.#stop.signal.reason);
      this.#stop.signal.addEventListener('abort', stop);
      try {
        if (this.#stop.signal.aborted) stop();
        return await handle(parsed.data, limit.signal);
      } finally {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', stop);
      }
    });
  }

  #hello(session: string): z.output<typeof GuestHello> {
    const { agentVersion, bootId } = this.#options;
    return { type: 'guest-hello', protocol: agentProtocolVersion, session, agentVersion, bootId };
  }

  #mismatch(): string {
    return `agent ${this.#options.agentVersion} speaks protocol ${agentProtocolVersion}, the host another one; update the older of the two`;
  }

  #send(message: unknown): void {
    try {
      this.#options.send(encodeAgentFrame(message));
    } catch (error) {
      this.#options.note(DockError.from(error).message);
    }
  }
}

interface AnyHandler {
  readonly resource?: string;
  handle(params: unknown, signal: AbortSignal): Promise<unknown>;
}

function isAgentMethod(method: string): method is AgentMethod {
  return Object.hasOwn(agentMethods, method);
}
