import type { WebSocket } from 'ws';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { RpcTable } from '../../protocol/json-rpc.ts';
import { Heartbeat, type HeartbeatTimes } from './heartbeat.ts';
import type { KeptCalls } from './kept-calls.ts';
import { type Beat, RoundTrips } from './round-trips.ts';
import {
  decodeError,
  encodeCancel,
  encodeError,
  encodeOnce,
  encodeProgress,
  encodeRequest,
  encodeResult,
  parseRpcMessage,
  type RpcMessage,
} from './rpc-message.ts';
import type { ErasedService } from './rpc-server.ts';
import type { RpcMethod, RpcParams, RpcProgress, RpcResult } from './rpc-types.ts';
import { type CallListener, ServedCall } from './served-call.ts';

/** The longest message, bytes: give it to ws as `maxPayload` on both ends. */
export const maxRpcMessageBytes = 1024 * 1024;
/** Calls of one connection that may run at the same time; the next one is refused. */
const maxRunningCalls = 64;
/** Bytes that may wait for an end that does not read; then the connection is given up. */
const maxWaitingBytes = 8 * 1024 * 1024;

export interface CallOptions<Progress> {
  readonly signal: AbortSignal;
  readonly onProgress?: (value: Progress) => void;
  /**
   * What an abort of `signal` does besides telling the other end: `reject` (default) ends the call at once and
   * ignores the answer; `wait` goes on waiting for the answer, which says how the undo went.
   */
  readonly onAbort?: 'reject' | 'wait';
  /** Asks for the call by this key, so that it may be asked for again (call-patiently.ts). */
  readonly once?: OnceCall;
}

/** A call that is made once, over however many connections. */
export interface OnceCall {
  /** A UUID. */
  readonly key: string;
  /** Values of its progress that have come; counted by the connection. */
  heard: number;
}

export interface RpcConnectionOptions<Call extends RpcTable> {
  /** What the other end offers. */
  readonly call: Call;
  /** What this end offers (`rpcService`); absent: nothing. */
  readonly serve?: ErasedService | undefined;
  /** Where calls of the other end that outlast this connection are; absent: it cannot ask for such. */
  readonly kept?: KeptCalls;
  /** Which life of its process the other end says that it lives: another one after it was started anew. */
  readonly peerLife?: string | undefined;
  /** Says in the user's words that the other end is gone; `why` is a clause. */
  readonly gone: (why: string) => DockError;
  /** How an error answer is seen here; default: as it was thrown there. */
  readonly remoteError?: (error: DockError) => DockError;
  readonly heartbeat?: HeartbeatTimes;
  /** Measures the link: called with each heartbeat's round trip. */
  readonly onBeat?: (beat: Beat) => void;
  /** Somebody wants to know; then the heart beats faster. */
  readonly measured?: () => boolean;
}

interface PendingCall {
  readonly result: z.ZodType;
  readonly progress: (value: unknown) => void;
  readonly settle: (outcome: { value: unknown } | { error: DockError }) => void;
}

/**
 * JSON-RPC over one WebSocket that is open; both ends may call. Bytes that break the protocol, an end that
 * answers no ping and an end that does not read all close it; every pending call then rejects with `gone`, never
 * with a refusal.
 */
export class RpcConnection<Call extends RpcTable> implements AsyncDisposable {
  /** Resolves with the reason when the connection has ended; never rejects. */
  readonly closed: Promise<DockError>;
  /**
   * Aborts when the connection has ended. For whoever waits for it many times while the connection lasts: a listener
   * can be taken away again, but what was told to a promise stays with it, and with that all that it refers to.
   */
  readonly ended: AbortSignal;

  readonly #socket: WebSocket;
  readonly #options: RpcConnectionOptions<Call>;
  readonly #pending = new Map<number, PendingCall>();
  readonly #running = new Map<number, { readonly call: ServedCall; readonly listener: CallListener }>();
  readonly #heartbeat: Heartbeat;
  readonly #roundTrips = new RoundTrips();
  #nextId = 1;
  #why: string | undefined;
  #end: DockError | undefined;

  constructor(socket: WebSocket, options: RpcConnectionOptions<Call>) {
    this.#socket = socket;
    this.#options = options;
    this.#heartbeat = new Heartbeat(
      {
        ping: () => this.#ping(),
        dead: (silentMs) => this.#giveUp(`it has not answered for ${(silentMs / 1000).toFixed(0)} s`),
        busy: () => this.busy,
        measured: () => options.measured?.() === true,
      },
      options.heartbeat,
    );
    const { promise, resolve } = Promise.withResolvers<DockError>();
    this.closed = promise;
    const ended = new AbortController();
    this.ended = ended.signal;
    socket.on('message', (data, isBinary) => {
      this.#heartbeat.heard();
      if (isBinary) this.#giveUp('it sent a binary message, which is not our protocol', 1003);
      else this.#receive((data as Buffer).toString('utf8')); // a Buffer: binaryType is left at 'nodebuffer'
    });
    socket.on('ping', () => this.#heartbeat.heard());
    socket.on('pong', (payload) => {
      this.#heartbeat.heard();
      this.#tellBeat(this.#roundTrips.answered(payload.toString(), performance.now()));
    });
    socket.on('error', (error) => {
      this.#why ??= error.message;
    });
    socket.on('close', (code, reason) => {
      const end = this.#conclude(code, reason.toString());
      resolve(end);
      ended.abort(end);
    });
  }

  /** A call of either end runs, so that a silent connection matters. */
  get busy(): boolean {
    return this.#pending.size > 0 || this.#running.size > 0;
  }

  get peerLife(): string | undefined {
    return this.#options.peerLife;
  }

  get open(): boolean {
    return (
      this.#end === undefined && this.#why === undefined && this.#socket.readyState === this.#socket.OPEN
    );
  }

  /**
   * Throws what the other end threw; `gone` when the connection ends first; `cancelled` or `timeout` when `signal`
   * aborts; `protocol` when the answer is of a wrong shape.
   */
  async call<M extends RpcMethod<Call>>(
    method: M,
    params: RpcParams<Call, M>,
    options: CallOptions<RpcProgress<Call, M>>,
  ): Promise<RpcResult<Call, M>> {
    const entry = this.#options.call[method];
    if (entry === undefined) throw new DockError('internal', `the table has no method ${method}`);
    const { signal } = options;
    if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
    if (!this.open) throw this.#end ?? this.#options.gone(this.#why ?? 'the connection is closing');
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { progress: progressSchema } = entry;
    const { onProgress, once } = options;
    const onAbort = () => {
      this.#send(encodeCancel(id));
      if (options.onAbort === 'wait') return;
      this.#pending.delete(id);
      reject(DockError.from(signal.reason, 'cancelled'));
    };
    this.#pending.set(id, {
      result: entry.result,
      progress: (value) => {
        if (once !== undefined) once.heard++;
        // an event that this end does not know comes from a newer one and is no reason to end the call
        const parsed = progressSchema?.safeParse(value);
        if (parsed?.success === true) onProgress?.(parsed.data as RpcProgress<Call, M>);
      },
      settle: (outcome) => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value)),
    });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#send(
        once === undefined ? encodeRequest(id, method, params) : encodeOnce(id, method, params, once),
      );
      return (await promise) as RpcResult<Call, M>;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Closes in good order; pending calls of both ends end as if the other were gone. */
  async close(why = 'this end closed the connection'): Promise<void> {
    this.#why ??= why;
    this.#socket.close(1001, why.slice(0, 100));
    const impatience = setTimeout(() => this.#socket.terminate(), 500);
    await this.closed;
    clearTimeout(impatience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ping(): void {
    const { payload, missed } = this.#roundTrips.sent(performance.now());
    this.#socket.ping(payload);
    this.#tellBeat(missed);
  }

  #tellBeat(beat: Beat | undefined): void {
    if (beat !== undefined) this.#options.onBeat?.(beat);
  }

  #receive(text: string): void {
    if (this.#why !== undefined) return;
    let message: RpcMessage;
    try {
      message = parseRpcMessage(text);
    } catch (error) {
      this.#giveUp(DockError.from(error).message, 1002);
      return;
    }
    switch (message.type) {
      case 'request':
        this.#serve(message);
        break;
      case 'nothing-asked':
        this.#send(
          encodeError(message.id, new DockError('protocol', 'an invalid request: it has no method')),
        );
        break;
      case 'cancel':
        this.#running
          .get(message.id)
          ?.call.controller.abort(new DockError('cancelled', 'the caller cancelled'));
        break;
      case 'progress':
        this.#pending.get(message.id)?.progress(message.value);
        break;
      case 'result':
      case 'error':
        this.#settle(message);
        break;
    }
  }

  /** An answer to a call that was cancelled, or that was never made, is ignored. */
  #settle(answer: Extract<RpcMessage, { type: 'result' | 'error' }>): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    if (answer.type === 'error') {
      const error = decodeError(answer);
      pending.settle({ error: this.#options.remoteError?.(error) ?? error });
      return;
    }
    const parsed = pending.result.safeParse(answer.result);
    if (parsed.success) pending.settle({ value: parsed.data });
    else {
      const message = `the answer is not as this version expects it: ${z.prettifyError(parsed.error)}`;
      pending.settle({ error: new DockError('protocol', message) });
    }
  }

  #serve({ id, method, params, once }: Extract<RpcMessage, { type: 'request' }>): void {
    const { serve, kept } = this.#options;
    if (this.#running.has(id)) {
      this.#giveUp(`it used the request id ${id} twice`, 1002);
      return;
    }
    const found = serve?.find(method);
    if (found === undefined || serve === undefined || (once !== undefined && kept === undefined)) {
      const name = JSON.stringify(method.slice(0, 80));
      this.#send(
        encodeError(id, new DockError('protocol', `there is no method ${name} here; is one end older?`)),
      );
      return;
    }
    if (this.#running.size >= maxRunningCalls) {
      const message = `${maxRunningCalls} calls of this connection run already; wait for one of them`;
      this.#send(encodeError(id, new DockError('conflict', message)));
      return;
    }
    const start = (): ServedCall => {
      const call = new ServedCall(method, found, params, { kept: once !== undefined });
      serve.running?.add(call);
      void call.done.finally(() => {
        if (call.error?.kind === 'internal') serve.onDefect?.(method, call.error);
        serve.running?.delete(call);
      });
      return call;
    };
    try {
      const call = once === undefined ? start() : kept?.take({ key: once.key, method }, start);
      if (call !== undefined) this.#follow(id, call, once?.heard ?? 0);
    } catch (error) {
      this.#send(encodeError(id, DockError.from(error)));
    }
  }

  /** Tells the other end how its call goes, but for the values of progress that it has heard. */
  #follow(id: number, call: ServedCall, heard: number): void {
    const listener: CallListener = {
      progress: (value) => this.#send(encodeProgress(id, value)),
      settle: (outcome) => {
        this.#running.delete(id);
        this.#send('error' in outcome ? encodeError(id, outcome.error) : encodeResult(id, outcome.result));
      },
    };
    this.#running.set(id, { call, listener });
    call.tell(listener, heard);
  }

  #send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > maxWaitingBytes) {
      this.#giveUp(`it does not read: ${maxWaitingBytes} bytes wait for it`);
      return;
    }
    this.#socket.send(text);
  }

  /** `code`: sent in a close frame so that the other end can say why; without one the socket is dropped. */
  #giveUp(why: string, code?: number): void {
    this.#why ??= why;
    if (code === undefined) this.#socket.terminate();
    else {
      this.#socket.close(code, why.slice(0, 100));
      setTimeout(() => this.#socket.terminate(), 500).unref();
    }
  }

  #conclude(code: number, reason: string): DockError {
    const said = reason === '' ? `the connection ended (code ${code})` : reason;
    const end = this.#options.gone(this.#why ?? said);
    this.#end = end;
    this.#heartbeat.stop();
    for (const pending of this.#pending.values()) pending.settle({ error: end });
    this.#pending.clear();
    for (const { call, listener } of this.#running.values()) call.leave(listener);
    return end;
  }
}
