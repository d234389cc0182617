import { z } from 'zod';
import { DockErrorShape } from './dock-error-shape.ts';

/** JSON-RPC 2.0, as wdock and wdockd, and wdockd and wdockd, talk over WebSocket. Errors carry our kinds. */
export const RpcRequest = z.strictObject({
  jsonrpc: z.literal('2.0'),
  /** Absent: a notification. */
  id: z.int().optional(),
  method: z.string(),
  params: z.unknown().optional(),
});
export type RpcRequest = z.infer<typeof RpcRequest>;

export const RpcResponse = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.int(),
  result: z.unknown().optional(),
  error: z.strictObject({ code: z.int(), message: z.string(), data: DockErrorShape.optional() }).optional(),
});
export type RpcResponse = z.infer<typeof RpcResponse>;

/** A table of methods: parameters, result, and what is sent while the call runs (`progress` notifications). */
export type RpcTable = Record<string, { params: z.ZodType; result: z.ZodType; progress?: z.ZodType }>;
