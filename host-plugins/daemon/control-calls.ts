import { type ControlMethod, controlMethods } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { mergeHandlers, type RunningCall, rpcService } from '../rpc/rpc-server.ts';
import type { RpcParams, RpcProgress, RpcResult } from '../rpc/rpc-types.ts';
import { type ControlHandlers, endRunningCalls } from './handlers.ts';

type Table = typeof controlMethods;

/** Calls that may run for all callers on the bus together; the next one is refused. */
const maxRunningCalls = 64;

export interface ControlCallOptions<M extends ControlMethod> {
  /** Ends the call; absent: it goes on whatever becomes of its caller. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: RpcProgress<Table, M>) => void;
}

/** Calls what wdock calls, with the same checks, from within wdockd. */
export class ControlCalls {
  readonly #running = new Set<RunningCall>();
  readonly #service: ReturnType<typeof rpcService>;
  readonly #onDefect: (method: string, error: DockError) => void;

  constructor(
    handlers: readonly ControlHandlers[],
    onDefect: (method: string, error: DockError) => void = () => {},
  ) {
    this.#service = rpcService({
      table: controlMethods,
      handlers: mergeHandlers(handlers),
      caller: 'wdock',
    });
    this.#onDefect = onDefect;
  }

  /** Throws what the handler throws, `conflict` when too many run, `usage` for parameters that are wrong. */
  async run<M extends ControlMethod>(
    method: M,
    params: RpcParams<Table, M>,
    options: ControlCallOptions<M> = {},
  ): Promise<RpcResult<Table, M>> {
    const found = this.#service.find(method);
    if (found === undefined) throw new DockError('protocol', `this wdockd has no method ${method}`);
    if (this.#running.size >= maxRunningCalls)
      throw new DockError('conflict', `${maxRunningCalls} calls run already; wait for one of them`);
    const controller = new AbortController();
    const { signal, onProgress } = options;
    const forward = () => controller.abort(signal?.reason);
    if (signal?.aborted === true) forward();
    signal?.addEventListener('abort', forward, { once: true });
    const work = found.invoke(params, controller.signal, (event) =>
      onProgress?.(event as RpcProgress<Table, M>),
    );
    const done = work.then(
      () => undefined,
      () => undefined,
    );
    const running: RunningCall = { method, controller, done };
    this.#running.add(running);
    try {
      return (await work) as RpcResult<Table, M>;
    } catch (thrown) {
      const error = DockError.from(thrown);
      if (error.kind === 'internal') this.#onDefect(method, error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', forward);
      this.#running.delete(running);
    }
  }

  /** Ends what runs (a dock is undone, up to its hand-over) and waits for it. Rejects when the signal aborts. */
  async end(signal: AbortSignal): Promise<void> {
    await endRunningCalls(this.#running, signal);
  }
}
