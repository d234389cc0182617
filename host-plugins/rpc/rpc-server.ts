import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { RpcTable } from '../../protocol/json-rpc.ts';
import type { RpcHandlerPart, RpcHandlers, RpcMethod } from './rpc-types.ts';

/** A handler that runs; what a stopping daemon aborts and waits for. */
export interface RunningCall {
  readonly method: string;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** What one end of a connection offers to the other. */
export interface RpcService<T extends RpcTable, Caller> {
  readonly table: T;
  readonly handlers: RpcHandlerPart<T, Caller>;
  readonly caller: Caller;
  /**
   * Methods that go on when their caller is gone: closing a terminal, or a Wi-Fi that drops, is nobody's wish to
   * undo a move. All others are aborted.
   */
  readonly outlivesCaller?: ReadonlySet<RpcMethod<T>>;
  /** Every running call is in here until it has ended, also when its connection is gone. */
  readonly running?: Set<RunningCall>;
  /** Told of every `internal` error before it travels. */
  readonly onDefect?: (method: string, error: DockError) => void;
}

/** A method of a service with its types forgotten, as the connection calls it. */
export interface ErasedMethod {
  readonly outlivesCaller: boolean;
  invoke(params: unknown, signal: AbortSignal, progress: (value: unknown) => void): Promise<unknown>;
}

/** A service with its table forgotten: what a connection needs of it. */
export interface ErasedService {
  /** Undefined when the service does not offer the method. */
  find(name: string): ErasedMethod | undefined;
  readonly running: Set<RunningCall> | undefined;
  readonly onDefect: ((method: string, error: DockError) => void) | undefined;
}

export function rpcService<T extends RpcTable, Caller>(service: RpcService<T, Caller>): ErasedService {
  return {
    find: (name) => findMethod(service, name),
    running: service.running,
    onDefect: service.onDefect,
  };
}

function findMethod<T extends RpcTable, Caller>(
  service: RpcService<T, Caller>,
  name: string,
): ErasedMethod | undefined {
  if (!Object.hasOwn(service.table, name) || !Object.hasOwn(service.handlers, name)) return undefined;
  const method = name as RpcMethod<T>;
  const entry = service.table[method];
  const handler = service.handlers[method];
  if (entry === undefined || handler === undefined) return undefined;
  return {
    outlivesCaller: service.outlivesCaller?.has(method) ?? false,
    async invoke(params, signal, progress) {
      const parsed = entry.params.safeParse(params ?? {});
      if (!parsed.success) {
        throw new DockError('usage', `the parameters of ${name} are wrong: ${z.prettifyError(parsed.error)}`);
      }
      const call = { signal, progress, caller: service.caller };
      const result = entry.result.safeParse(await handler(parsed.data as never, call));
      if (!result.success) {
        throw new DockError('internal', `the result of ${name} is wrong: ${z.prettifyError(result.error)}`);
      }
      return result.data;
    },
  };
}

/** Makes one set of handlers out of parts. Throws `internal` when two parts have the same method. */
export function mergeHandlers<T extends RpcTable, Caller>(
  parts: readonly RpcHandlerPart<T, Caller>[],
): RpcHandlerPart<T, Caller> {
  const merged: Record<string, unknown> = {};
  for (const part of parts) {
    for (const [name, handler] of Object.entries(part)) {
      if (Object.hasOwn(merged, name)) {
        throw new DockError('internal', `two services offer the method ${name}; unbind one of them`);
      }
      merged[name] = handler;
    }
  }
  return merged as Partial<RpcHandlers<T, Caller>>;
}
