import type { z } from 'zod';
import type { RpcTable } from '../../protocol/json-rpc.ts';

export type RpcMethod<T extends RpcTable> = keyof T & string;
/** What a caller passes; defaults may be left out. */
export type RpcParams<T extends RpcTable, M extends RpcMethod<T>> = z.input<T[M]['params']>;
/** What a caller gets. */
export type RpcResult<T extends RpcTable, M extends RpcMethod<T>> = z.output<T[M]['result']>;
export type RpcProgress<T extends RpcTable, M extends RpcMethod<T>> = T[M] extends {
  progress: infer P extends z.ZodType;
}
  ? z.output<P>
  : never;

/** What a handler knows of the call it serves. */
export interface RpcCall<Progress, Caller> {
  /** Aborted when the caller cancels, when it is gone (unless the method outlives its caller), or when we stop. */
  readonly signal: AbortSignal;
  /** Sent at once and in order; dropped silently once the caller is gone. */
  readonly progress: (value: Progress) => void;
  readonly caller: Caller;
}

/**
 * One function a method. What it throws travels as a `DockError`; a result that does not fit the table is our
 * defect and travels as `internal`.
 */
export type RpcHandlers<T extends RpcTable, Caller> = {
  readonly [M in RpcMethod<T>]: (
    params: z.output<T[M]['params']>,
    call: RpcCall<RpcProgress<T, M>, Caller>,
  ) => Promise<z.input<T[M]['result']>>;
};

/** A part of the handlers of a table; several parts, one a service, make up the whole. */
export type RpcHandlerPart<T extends RpcTable, Caller> = Partial<RpcHandlers<T, Caller>>;
