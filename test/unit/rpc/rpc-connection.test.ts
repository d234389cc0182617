import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { RpcConnection, type RpcConnectionOptions } from '../../../host-plugins/rpc/rpc-connection.ts';
import { mergeHandlers, type RunningCall, rpcService } from '../../../host-plugins/rpc/rpc-server.ts';
import type { RpcHandlerPart } from '../../../host-plugins/rpc/rpc-types.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { closeOf, socketPair } from './connected-pair.ts';

const table = {
  add: { params: z.strictObject({ a: z.number(), b: z.number() }), result: z.number() },
  count: { params: z.strictObject({ to: z.int() }), result: z.literal('done'), progress: z.int() },
  wait: { params: z.strictObject({}), result: z.string() },
  move: { params: z.strictObject({}), result: z.string() },
} as const;
type Handlers = RpcHandlerPart<typeof table, string>;

const forever = () => new AbortController().signal;
const gone = (why: string) => new DockError('peer-gone', `gone: ${why}`);

/** Resolves when the handler has been called, and says how its signal was aborted. */
function untilAborted() {
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

async function connected(handlers: Handlers, options: Partial<RpcConnectionOptions<typeof table>> = {}) {
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

describe('a connection whose other end breaks the protocol', () => {
  const server = async () => {
    const sockets = await socketPair();
    const connection = new RpcConnection(sockets.server, {
      call: {},
      serve: rpcService({ table, handlers: { add: async ({ a, b }) => a + b }, caller: 'x' }),
      gone,
    });
    return { sockets, connection, [Symbol.asyncDispose]: () => sockets[Symbol.asyncDispose]() };
  };

  it.each([
    ['text that is not JSON', 'hello'],
    ['JSON that is cut off', '{"jsonrpc":"2.0","id":1,"meth'],
    ['JSON nested a hundred thousand deep', '['.repeat(100_000)],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"add"}]'],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"add"}'],
    ['an id that is no integer', '{"jsonrpc":"2.0","id":"1","method":"add"}'],
    ['keys that nobody knows', '{"jsonrpc":"2.0","id":1,"method":"add","extra":1}'],
    ['a notification that nobody knows', '{"jsonrpc":"2.0","method":"add"}'],
    ['a cancel without an id', '{"jsonrpc":"2.0","method":"$/cancel","params":{}}'],
    ['null', 'null'],
    [
      'an error of an unknown kind',
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","data":{"kind":"x"}}}',
    ],
  ])('closes it, saying why, on %s', async (_what, text) => {
    await using end = await server();
    const closed = closeOf(end.sockets.client);
    end.sockets.client.send(text);
    expect((await closed).code).toBe(1002);
    expect((await end.connection.closed).kind).toBe('peer-gone');
  });

  it('closes it on a binary message', async () => {
    await using end = await server();
    const closed = closeOf(end.sockets.client);
    end.sockets.client.send(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"add"}'));
    expect((await closed).code).toBe(1003);
  });

  it('closes it on a message that is too long, without reading it to its end', async () => {
    await using end = await server();
    const closed = closeOf(end.sockets.client);
    end.sockets.client.send(`"${'x'.repeat(2 * 1024 * 1024)}"`);
    expect((await closed).code).toBe(1009);
  });

  it('closes it on bytes that are no WebSocket frame', async () => {
    await using end = await server();
    const raw = (end.sockets.client as unknown as { _socket: { write(bytes: Buffer): void } })._socket;
    raw.write(Buffer.alloc(64, 0xff));
    expect((await end.connection.closed).kind).toBe('peer-gone');
  });

  it('closes it when an id is used for two calls at once', async () => {
    const { handler, entered } = untilAborted();
    await using pair = await connected({ wait: handler });
    const closed = closeOf(pair.sockets.client);
    pair.sockets.client.send('{"jsonrpc":"2.0","id":900,"method":"wait"}');
    await entered;
    pair.sockets.client.send('{"jsonrpc":"2.0","id":900,"method":"wait"}');
    expect((await closed).reason).toContain('900 twice');
  });

  it.each(['toString', '__proto__', 'constructor', 'hasOwnProperty', 'move'])(
    'refuses the method %s, which is not offered, and goes on',
    async (method) => {
      await using pair = await connected({ add: async ({ a, b }) => a + b });
      const answer = new Promise<string>((resolve) => {
        pair.sockets.client.once('message', (data) => resolve(String(data)));
      });
      pair.sockets.client.send(JSON.stringify({ jsonrpc: '2.0', id: 77, method }));
      expect(JSON.parse(await answer)).toMatchObject({ id: 77, error: { data: { kind: 'protocol' } } });
      expect(await pair.client.call('add', { a: 1, b: 2 }, { signal: forever() })).toBe(3);
    },
  );

  it('does not let a parameter named __proto__ through', async () => {
    await using pair = await connected({ add: async ({ a, b }) => a + b });
    const answer = new Promise<string>((resolve) => {
      pair.sockets.client.once('message', (data) => resolve(String(data)));
    });
    pair.sockets.client.send(
      '{"jsonrpc":"2.0","id":5,"method":"add","params":{"a":1,"b":2,"__proto__":{"c":3}}}',
    );
    expect(JSON.parse(await answer)).toMatchObject({ error: { data: { kind: 'usage' } } });
  });

  it('refuses more calls at once than it can hold, and answers the others', async () => {
    const release = Promise.withResolvers<void>();
    await using pair = await connected({
      wait: async () => {
        await release.promise;
        return 'ok';
      },
    });
    const calls = Array.from({ length: 80 }, () => pair.client.call('wait', {}, { signal: forever() }));
    const settled = Promise.allSettled(calls);
    await expect(Promise.race(calls)).rejects.toMatchObject({ kind: 'conflict' });
    release.resolve();
    const outcomes = (await settled).map(({ status }) => status);
    expect(outcomes.filter((status) => status === 'fulfilled')).toHaveLength(64);
    expect(outcomes.filter((status) => status === 'rejected')).toHaveLength(16);
  });

  it('gives up an end that does not read', async () => {
    const full = Promise.withResolvers<void>();
    await using pair = await connected({
      count: async (_params, { signal, progress }) => {
        for (let n = 0; !signal.aborted; n++) {
          progress(n);
          if (n % 1000 === 0) await turn();
        }
        full.resolve();
        return 'done';
      },
    });
    pair.sockets.client.send('{"jsonrpc":"2.0","id":1,"method":"count","params":{"to":1}}');
    pair.sockets.client.pause();
    expect((await pair.server.closed).message).toContain('does not read');
    await full.promise;
  });
});

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
