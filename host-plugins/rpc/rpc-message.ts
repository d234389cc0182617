import { z } from 'zod';
import { DockError, type DockErrorKind } from '../../protocol/dock-error.ts';
import type { DockErrorShape } from '../../protocol/dock-error-shape.ts';
import { RpcRequest, RpcResponse } from '../../protocol/json-rpc.ts';

/**
 * JSON-RPC 2.0 messages as text. Two notifications belong to the transport, named as in the Language Server
 * Protocol: `$/progress` carries one value of a call that runs, `$/cancel` asks to end one. So does the request
 * `$/once`: a call with a key, which may be asked for again over another connection and is made once.
 */
export const progressMethod = '$/progress';
export const cancelMethod = '$/cancel';
export const onceMethod = '$/once';

const ProgressParams = z.strictObject({ id: z.int(), value: z.unknown() });
const NothingAsked = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.int(),
  params: z.unknown().optional(),
});
const CancelParams = z.strictObject({ id: z.int() });
const OnceParams = z.strictObject({
  /** A name that its caller made for it, at random. */
  key: z.uuid(),
  /** The values of its progress that were heard over the connections before. */
  heard: z.int().min(0),
  method: z.string().max(200),
  params: z.unknown(),
});

export type RpcMessage =
  | { type: 'request'; id: number; method: string; params: unknown; once?: { key: string; heard: number } }
  | { type: 'progress'; id: number; value: unknown }
  | { type: 'cancel'; id: number }
  | { type: 'result'; id: number; result: unknown }
  | { type: 'error'; id: number; code: number; message: string; data: DockErrorShape | undefined }
  /** A request without a method, which its sender waits for: it is to be told. */
  | { type: 'nothing-asked'; id: number };

/** Throws `protocol` for everything that is not one of our messages; batches and foreign notifications are not. */
export function parseRpcMessage(text: string): RpcMessage {
  const message = parseJson(text);
  const nothingAsked = NothingAsked.safeParse(message);
  if (nothingAsked.success) return { type: 'nothing-asked', id: nothingAsked.data.id };
  const isResponse = typeof message === 'object' && message !== null && !('method' in message);
  if (isResponse) {
    const parsed = RpcResponse.safeParse(message);
    if (!parsed.success) throw notAMessage(z.prettifyError(parsed.error));
    const { id, error, result } = parsed.data;
    return error === undefined
      ? { type: 'result', id, result }
      : { type: 'error', id, code: error.code, message: error.message, data: error.data };
  }
  const parsed = RpcRequest.safeParse(message);
  if (!parsed.success) throw notAMessage(z.prettifyError(parsed.error));
  const { id, method, params } = parsed.data;
  if (id !== undefined && method === onceMethod) {
    const { key, heard, ...asked } = parseParams(OnceParams, params);
    return { type: 'request', id, ...asked, once: { key, heard } };
  }
  if (id !== undefined) return { type: 'request', id, method, params };
  if (method === progressMethod) return { type: 'progress', ...parseParams(ProgressParams, params) };
  if (method === cancelMethod) return { type: 'cancel', ...parseParams(CancelParams, params) };
  throw notAMessage(`the notification "${method.slice(0, 80)}" is unknown`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // RangeError too: JSON that is nested too deeply overflows the parser's stack
    throw new DockError('protocol', 'a message is not JSON', { cause: error });
  }
}

function parseParams<T extends z.ZodType>(schema: T, params: unknown): z.output<T> {
  const parsed = schema.safeParse(params);
  if (!parsed.success) throw notAMessage(z.prettifyError(parsed.error));
  return parsed.data;
}

function notAMessage(why: string): DockError {
  return new DockError('protocol', `a message is not JSON-RPC 2.0: ${why}`);
}

export function encodeRequest(id: number, method: string, params: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

export function encodeOnce(
  id: number,
  method: string,
  params: unknown,
  { key, heard }: { readonly key: string; readonly heard: number },
): string {
  return encodeRequest(id, onceMethod, { key, heard, method, params });
}

export function encodeResult(id: number, result: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result });
}

export function encodeProgress(id: number, value: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method: progressMethod, params: { id, value } });
}

export function encodeCancel(id: number): string {
  return JSON.stringify({ jsonrpc: '2.0', method: cancelMethod, params: { id } });
}

/** JSON-RPC's reserved codes where one fits; -32000 (a server's own) for the rest, which `data.kind` tells apart. */
const codes: Partial<Record<DockErrorKind, number>> = { usage: -32602, internal: -32603, protocol: -32600 };

export function encodeError(id: number, error: DockError): string {
  const code = codes[error.kind] ?? -32000;
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: { code, message: error.message, data: error.toData() },
  });
}

/** An answer without our data comes from something that is not wdockd; it is a refusal all the same. */
export function decodeError(answer: { message: string; data: DockErrorShape | undefined }): DockError {
  if (answer.data === undefined) return new DockError('peer-refused', answer.message);
  const { kind, message, detail } = answer.data;
  return new DockError(kind, message, detail === undefined ? {} : { detail });
}
