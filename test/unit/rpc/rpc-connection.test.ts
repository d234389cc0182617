import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { RpcConnection } from '../../../host-plugins/rpc/rpc-connection.ts';
import { mergeHandlers } from '../../../host-plugins/rpc/rpc-server.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { socketPair } from './connected-pair.ts';
import { connected, forever, gone, type Handlers, table, untilAborted } from './rpc-fixture.ts';

describe('an end that is gone', () => {
  it('fails pending calls with "gone", not with a refusal', async () => {
    const { handler, entered } = untilAborted();
    await using pair = await connected({ wait: handler });
    const call = pair.client.call('wait', {}, { signal: forever() });
    await entered;
    pair.sockets.server.terminate();
    await expect(call).rejects.toMatchObject({ kind: 'peer-gone' });
    await expect(pair.client.call('wait', {}, { signal: forever() })).rejects.toMatchObject({
      kind: 'peer-gone',
    });
  });

  it('aborts the calls it made', async () => {
    const { handler, entered, aborted } = untilAborted();
    await using pair = await connected({ wait: handler });
    pair.client.call('wait', {}, { signal: forever() }).catch(() => undefined);
    await entered;
    pair.sockets.client.terminate();
    expect(await aborted).toMatchObject({ kind: 'cancelled', message: 'the caller is gone' });
  });

  it('does not abort a call that outlives its caller, which stays known as running', async () => {
    const finish = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<AbortSignal>();
    await using pair = await connected({
      move: async (_params, { signal }) => {
        entered.resolve(signal);
        await finish.promise;
        return 'moved';
      },
    });
    pair.client.call('move', {}, { signal: forever() }).catch(() => undefined);
    const signal = await entered.promise;
    pair.sockets.client.terminate();
    await pair.server.closed;
    expect(signal.aborted).toBe(false);
    const [running] = pair.running;
    expect(running?.method).toBe('move');
    finish.resolve();
    await running?.done;
    expect(pair.running.size).toBe(0);
  });

  it('is noticed when it answers no ping, while a call waits', async () => {
    const { handler, entered } = untilAborted();
    await using pair = await connected(
      { wait: handler },
      { heartbeat: { busyMs: 30, idleMs: 60_000, unanswered: 3 } },
    );
    const call = pair.client.call('wait', {}, { signal: forever() });
    const failed = expect(call).rejects.toMatchObject({ kind: 'peer-gone', message: /has not answered/ });
    await entered;
    pair.sockets.server.pause(); // its kernel still takes bytes, as a half-open connection does
    await failed;
  });
});

describe('a call', () => {
  it('throws what the handler threw: kind, message and detail', async () => {
    await using pair = await connected({
      add: async () => {
        throw new DockError('does-not-fit', '812 MiB are missing', { detail: { missingMiB: 812 } });
      },
    });
    await expect(pair.client.call('add', { a: 1, b: 2 }, { signal: forever() })).rejects.toMatchObject({
      kind: 'does-not-fit',
      message: '812 MiB are missing',
      detail: { missingMiB: 812 },
    });
    expect(pair.defects).toEqual([]);
  });

  it('reports a result of a wrong shape as a defect of the one who answers', async () => {
    await using pair = await connected({ add: async () => 'three' as unknown as number });
    await expect(pair.client.call('add', { a: 1, b: 2 }, { signal: forever() })).rejects.toMatchObject({
      kind: 'internal',
    });
    expect(pair.defects).toHaveLength(1);
  });

  it('refuses parameters of a wrong shape with what is wrong', async () => {
    await using pair = await connected({ add: async ({ a, b }) => a + b });
    const wrong = { a: 1, b: 'two' } as unknown as { a: number; b: number };
    await expect(pair.client.call('add', wrong, { signal: forever() })).rejects.toMatchObject({
      kind: 'usage',
      message: /→ at b/,
    });
  });

  it('does not believe an answer of a wrong shape', async () => {
    const sockets = await socketPair();
    await using _ = sockets;
    const client = new RpcConnection(sockets.client, { call: table, gone });
    sockets.server.on('message', (data) => {
      const { id } = JSON.parse(String(data)) as { id: number };
      sockets.server.send(JSON.stringify({ jsonrpc: '2.0', id, result: { evil: true } }));
    });
    await expect(client.call('add', { a: 1, b: 2 }, { signal: forever() })).rejects.toMatchObject({
      kind: 'protocol',
    });
  });

  it('rejects at once when it is cancelled, tells the other end, and ignores the late answer', async () => {
    const { handler, entered, aborted } = untilAborted();
    await using pair = await connected({ wait: handler, add: async ({ a, b }) => a + b });
    const controller = new AbortController();
    const call = pair.client.call('wait', {}, { signal: controller.signal });
    await entered;
    controller.abort();
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await aborted).toMatchObject({ kind: 'cancelled' });
    expect(await pair.client.call('add', { a: 2, b: 2 }, { signal: forever() })).toBe(4);
  });

  it('waits for the answer after a cancel where it was asked to', async () => {
    const { handler, entered } = untilAborted();
    await using pair = await connected({ wait: handler });
    const controller = new AbortController();
    const call = pair.client.call('wait', {}, { signal: controller.signal, onAbort: 'wait' });
    await entered;
    controller.abort();
    expect(await call).toBe('undone');
  });

  it('ends with a timeout when its deadline passes', async () => {
    const { handler } = untilAborted();
    await using pair = await connected({ wait: handler });
    const call = pair.client.call('wait', {}, { signal: AbortSignal.timeout(20) });
    await expect(call).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('is not even sent when its signal is aborted already', async () => {
    const handler = vi.fn(async () => 'never');
    await using pair = await connected({ wait: handler, add: async ({ a, b }) => a + b });
    await expect(pair.client.call('wait', {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await pair.client.call('add', { a: 1, b: 1 }, { signal: forever() });
    expect(handler).not.toHaveBeenCalled();
  });

  it('delivers progress in order before the result', async () => {
    await using pair = await connected({
      count: async ({ to }, { progress }) => {
        for (let n = 1; n <= to; n++) progress(n);
        return 'done';
      },
    });
    const seen: unknown[] = [];
    const onProgress = (value: number) => seen.push(value);
    seen.push(await pair.client.call('count', { to: 200 }, { signal: forever(), onProgress }));
    expect(seen).toEqual([...Array.from({ length: 200 }, (_, at) => at + 1), 'done']);
  });

  it('drops progress that this version does not know, and goes on', async () => {
    await using pair = await connected({
      count: async (_params, { progress }) => {
        progress('what is new in the next version' as unknown as number);
        progress(1);
        return 'done';
      },
    });
    const seen: number[] = [];
    await pair.client.call(
      'count',
      { to: 1 },
      { signal: forever(), onProgress: (value) => seen.push(value) },
    );
    expect(seen).toEqual([1]);
  });

  it('leaves no listener on the signal that it was given', async () => {
    await using pair = await connected({ add: async ({ a, b }) => a + b });
    const { signal } = new AbortController();
    await pair.client.call('add', { a: 1, b: 2 }, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

it('refuses two services that offer the same method', () => {
  const part: Handlers = { wait: async () => '' };
  expect(() => mergeHandlers<typeof table, string>([part, { ...part }])).toThrow(
    /two services offer the method wait/,
  );
});
