import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { RpcTable } from '../../protocol/json-rpc.ts';
import type { CallOptions, RpcConnection } from './rpc-connection.ts';
import type { RpcMethod, RpcParams, RpcProgress, RpcResult } from './rpc-types.ts';
import { keptForMs } from './served-call.ts';

/** Between two attempts to reach the other end, ms. */
const retryMs = 250;
/** The longest that a caller may be patient, ms: the answer is still kept then. */
const mostPatientMs = keptForMs - 60_000;

/** How a call goes on over connections that are lost. */
export interface Patience<Call extends RpcTable> {
  /** An open connection; throws `peer-gone` where there is none to be had now. */
  readonly connect: (signal: AbortSignal) => Promise<RpcConnection<Call>>;
  /** From the loss until the call is given up, ms; at most 2 minutes. */
  readonly patienceMs: number;
  /** Told once for each loss, in the words of the error. */
  readonly onLost?: ((why: DockError) => void) | undefined;
  /** The other end is there again. */
  readonly onFound?: (() => void) | undefined;
}

/**
 * A call that is made once, however often the connection is lost under it: it is asked for again over the next one, by a
 * key, and the other end gives the answer that it has, or will have. Throws as `RpcConnection.call` does, and `peer-gone`
 * when the other end stays away for longer than the patience, or was started anew: then nobody knows whether the call
 * was done.
 */
export async function callPatiently<Call extends RpcTable, M extends RpcMethod<Call>>(
  method: M,
  params: RpcParams<Call, M>,
  { signal, onProgress, onAbort }: CallOptions<RpcProgress<Call, M>>,
  { connect, patienceMs, onLost, onFound }: Patience<Call>,
): Promise<RpcResult<Call, M>> {
  const once = { key: randomUUID(), heard: 0 };
  let mayAskAgain = true;
  let life: string | undefined;
  let lost: { readonly at: number; readonly why: DockError } | undefined;
  for (;;) {
    try {
      const connection = await connect(signal);
      const { peerLife } = connection;
      if (life !== undefined && peerLife !== life) throw startedAnew(lost?.why);
      life = peerLife;
      // One that does not say which life it lives cannot be asked a second time.
      mayAskAgain = life !== undefined;
      if (lost !== undefined) onFound?.();
      lost = undefined;
      return await connection.call(method, params, {
        signal,
        ...(onProgress === undefined ? {} : { onProgress }),
        ...(onAbort === undefined ? {} : { onAbort }),
        ...(mayAskAgain ? { once } : {}),
      });
    } catch (error) {
      const why = DockError.from(error);
      const isLost = why.kind === 'peer-gone' && why.detail?.['startedAnew'] !== true;
      if (signal.aborted && isLost) throw DockError.from(signal.reason, 'cancelled');
      if (!isLost || !mayAskAgain) throw error;
      const now = performance.now();
      if (lost === undefined) onLost?.(why);
      lost ??= { at: now, why };
      if (now - lost.at >= Math.min(patienceMs, mostPatientMs)) throw error;
    }
    await delay(retryMs, undefined, { signal }).catch(() => undefined); // `connect` says that it was aborted
  }
}

function startedAnew(cause: DockError | undefined): DockError {
  return new DockError(
    'peer-gone',
    'wdockd on the other device was started anew in the middle of this; what it was asked for may be done or not',
    { cause, detail: { startedAnew: true } },
  );
}
