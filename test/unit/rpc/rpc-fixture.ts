import { z } from 'zod';
import { RpcConnection, type RpcConnectionOptions } from '../../../host-plugins/rpc/rpc-connection.ts';
import { type RunningCall, rpcService } from '../../../host-plugins/rpc/rpc-server.ts';
import type { RpcHandlerPart } from '../../../host-plugins/rpc/rpc-types.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { socketPair } from './connected-pair.ts';

export const table = {
  add: { params: z.strictObject({ a: z.number(), b: z.number() }), result: z.number() },
  count: { params: z.strictObject({ to: z.int() }), result: z.literal('done'), progress: z.int() },
  wait: { params: z.strictObject({}), result: z.string() },
  move: { params: z.strictObject({}), result: z.string() },
} as const;
export type Handlers = RpcHandlerPart<typeof table, string>;

export const forever = () => new AbortController().signal;
export const gone = (why: string) => new DockError('peer-gone', `gone: ${why}`);

/** Resolves when the handler has been called, and says how its signal was aborted. */
export function untilAborted() {
  const entered = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const handler = async (_params: unknown, { signal }: { signal: AbortSignal }): Promise<string> => {
    signal.addEventListener('abort', () => aborted.resolve(signal.reason));
    entered.resolve();
    await aborted.promise;
    return 'undone';
  };
  return { handler, entered: entered.promise, aborted: aborted.promise };
}

export async function connected(
  handlers: Handlers,
  options: Partial<RpcConnectionOptions<typeof table>> = {},
) {
  const sockets = await socketPair();
  const defects: string[] = [];
  const running = new Set<RunningCall>();
  const server = new RpcConnection(sockets.server, {
    call: {},
    serve: rpcService({
      table,
      handlers,
      caller: 'me',
      outlivesCaller: new Set(['move'] as const),
      running,
      onDefect: (method, error) => defects.push(`${method}: ${error.message}`),
    }),
    gone,
    ...(options.heartbeat === undefined ? {} : { heartbeat: options.heartbeat }),
  });
  const client = new RpcConnection(sockets.client, { call: table, gone, ...options });
  return {
    sockets,
    server,
    client,
    defects,
    running,
    [Symbol.asyncDispose]: () => sockets[Symbol.asyncDispose](),
  };
}
