import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RpcConnection } from '../../../host-plugins/rpc/rpc-connection.ts';
import { rpcService } from '../../../host-plugins/rpc/rpc-server.ts';
import { closeOf, socketPair } from './connected-pair.ts';
import { connected, forever, gone, table, untilAborted } from './rpc-fixture.ts';

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
    ['neither a method nor an id', '{"jsonrpc":"2.0"}'],
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

  it('is told of a request without a method, and goes on', async () => {
    await using pair = await connected({ add: async ({ a, b }) => a + b });
    const answer = new Promise<string>((resolve) => {
      pair.sockets.client.once('message', (data) => resolve(String(data)));
    });
    pair.sockets.client.send('{"jsonrpc":"2.0","id":1}');
    expect(JSON.parse(await answer)).toMatchObject({
      id: 1,
      error: { code: -32600, message: expect.stringContaining('invalid request') },
    });
    expect(await pair.client.call('add', { a: 1, b: 2 }, { signal: forever() })).toBe(3);
  });

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
