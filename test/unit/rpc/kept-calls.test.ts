import { describe, expect, it, vi } from 'vitest';
import { callPatiently } from '../../../host-plugins/rpc/call-patiently.ts';
import { KeptCalls } from '../../../host-plugins/rpc/kept-calls.ts';
import { RpcConnection } from '../../../host-plugins/rpc/rpc-connection.ts';
import { type RunningCall, rpcService } from '../../../host-plugins/rpc/rpc-server.ts';
import { keptForMs, ServedCall } from '../../../host-plugins/rpc/served-call.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { type SocketPair, socketPair } from './connected-pair.ts';
import { forever, gone, type Handlers, table, untilAborted } from './rpc-fixture.ts';

/** Two ends that lose their connection whenever a test wants it, and connect anew when they are asked to. */
function twoEnds(handlers: Handlers) {
  const kept = new KeptCalls();
  const running = new Set<RunningCall>();
  const pairs: SocketPair[] = [];
  const calls: string[] = [];
  let away = false;
  let life = 'a';
  const serve = rpcService({
    table,
    handlers,
    caller: 'me',
    outlivesCaller: new Set(['move'] as const),
    running,
    onDefect: (method) => calls.push(`defect in ${method}`),
  });
  return {
    running,
    calls,
    kept,
    /** Without a word, as a Wi-Fi does. */
    cut: () => pairs.at(-1)?.client.terminate(),
    stayAway: () => {
      away = true;
    },
    startAnew: () => {
      life = 'b';
    },
    connect: async () => {
      if (away) throw gone('it is away');
      const pair = await socketPair();
      pairs.push(pair);
      new RpcConnection(pair.server, { call: {}, serve, kept, gone });
      return new RpcConnection<typeof table>(pair.client, { call: table, gone, peerLife: life });
    },
    connections: () => pairs.length,
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) await pair[Symbol.asyncDispose]();
    },
  };
}

const patient = { patienceMs: 20_000 };

describe('a call that is carried over lost connections', () => {
  it('is made once, and its answer is that of the one time, when the connection is lost before it comes', async () => {
    let times = 0;
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<string>();
    await using ends = twoEnds({
      wait: async () => {
        times++;
        entered.resolve();
        return await leave.promise;
      },
    });
    const lost: string[] = [];
    const answer = callPatiently(
      'wait',
      {},
      { signal: forever() },
      {
        ...patient,
        connect: ends.connect,
        onLost: (why) => lost.push(why.kind),
        onFound: () => {
          lost.push('found');
          leave.resolve('here');
        },
      },
    );
    await entered.promise;
    ends.cut();
    expect(await answer).toBe('here');
    expect({ times, lost, connections: ends.connections() }).toEqual({
      times: 1,
      lost: ['peer-gone', 'found'],
      connections: 2,
    });
  });

  it('hears each value of its progress once', async () => {
    const values: number[] = [];
    const halfWay = Promise.withResolvers<void>();
    const again = Promise.withResolvers<void>();
    await using ends = twoEnds({
      count: async ({ to }, { progress }) => {
        for (let n = 1; n <= to / 2; n++) progress(n);
        halfWay.resolve();
        await again.promise;
        for (let n = to / 2 + 1; n <= to; n++) progress(n);
        return 'done';
      },
    });
    const heard = Promise.withResolvers<void>();
    const answer = callPatiently(
      'count',
      { to: 10 },
      {
        signal: forever(),
        onProgress: (value) => {
          values.push(value);
          if (value === 3) heard.resolve();
        },
      },
      { ...patient, connect: ends.connect, onFound: () => again.resolve() },
    );
    await Promise.all([halfWay.promise, heard.promise]);
    ends.cut();
    expect(await answer).toBe('done');
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('is given up as gone when the other end stays away for longer than its caller is patient', async () => {
    const held = untilAborted();
    await using ends = twoEnds({ wait: held.handler });
    const answer = callPatiently(
      'wait',
      {},
      { signal: forever() },
      { patienceMs: 300, connect: ends.connect },
    );
    await held.entered;
    ends.stayAway();
    ends.cut();
    await expect(answer).rejects.toMatchObject({ kind: 'peer-gone', message: 'gone: it is away' });
  });

  it('is not made again by a process that was started anew: nobody knows what became of it', async () => {
    const held = untilAborted();
    await using ends = twoEnds({ wait: held.handler });
    const answer = callPatiently('wait', {}, { signal: forever() }, { ...patient, connect: ends.connect });
    await held.entered;
    ends.startAnew();
    ends.cut();
    await expect(answer).rejects.toMatchObject({
      kind: 'peer-gone',
      message: expect.stringContaining('started anew'),
    });
    expect(ends.running.size).toBe(1);
  });

  it('can be cancelled while nothing connects the two', async () => {
    const held = untilAborted();
    await using ends = twoEnds({ wait: held.handler });
    const cancel = new AbortController();
    const answer = callPatiently(
      'wait',
      {},
      { signal: cancel.signal },
      {
        ...patient,
        connect: ends.connect,
        onLost: () => cancel.abort(new DockError('cancelled', 'its user')),
      },
    );
    await held.entered;
    ends.stayAway();
    ends.cut();
    await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('is cancelled over there by its caller also over the second connection', async () => {
    const held = untilAborted();
    await using ends = twoEnds({ wait: held.handler });
    const cancel = new AbortController();
    const answer = callPatiently(
      'wait',
      {},
      { signal: cancel.signal, onAbort: 'wait' },
      { ...patient, connect: ends.connect, onFound: () => setImmediate(() => cancel.abort()) },
    );
    await held.entered;
    ends.cut();
    expect(await answer).toBe('undone');
  });

  it('tells a defect once, however often its answer is fetched', async () => {
    let fail: (() => void) | undefined;
    const entered = Promise.withResolvers<void>();
    await using ends = twoEnds({
      wait: () =>
        new Promise((_resolve, reject) => {
          fail = () => reject(new TypeError('a defect'));
          entered.resolve();
        }),
    });
    const options = { ...patient, connect: ends.connect, onFound: () => fail?.() };
    const answer = callPatiently('wait', {}, { signal: forever() }, options);
    await entered.promise;
    ends.cut();
    await expect(answer).rejects.toMatchObject({ kind: 'internal' });
    expect(ends.calls).toEqual(['defect in wait']);
  });
});

describe('a call that is kept for a caller that does not come back', () => {
  const listener = { progress: () => undefined, settle: () => undefined };

  it.each([
    ['is aborted after a while', false],
    ['goes on where it outlives its caller', true],
  ])('%s', async (_what, outlivesCaller) => {
    vi.useFakeTimers();
    try {
      const held = untilAborted();
      const kept = new KeptCalls();
      const invoke = (_params: unknown, signal: AbortSignal) => held.handler({}, { signal });
      const start = () => new ServedCall('wait', { outlivesCaller, invoke }, {}, { kept: true });
      const call = kept.take({ key: 'k', method: 'wait' }, start);
      call.tell(listener, 0);
      await held.entered;
      call.leave(listener);
      vi.advanceTimersByTime(keptForMs - 1);
      expect(call.controller.signal.aborted).toBe(false);
      expect(kept.take({ key: 'k', method: 'wait' }, start)).toBe(call);
      vi.advanceTimersByTime(1);
      expect(call.controller.signal.aborted).toBe(!outlivesCaller);
      call.controller.abort();
      await call.done;
    } finally {
      vi.useRealTimers();
    }
  });

  it('makes room only where it has its answer: what runs is never thrown away', async () => {
    const kept = new KeptCalls();
    const ended = async () => 'done';
    const never = () => new Promise(() => undefined);
    const call = (key: string, invoke: () => Promise<unknown>) =>
      kept.take(
        { key, method: 'wait' },
        () => new ServedCall('wait', { outlivesCaller: true, invoke }, {}, { kept: true }),
      );
    const first = call('first', ended);
    await first.done;
    for (let n = 1; n < 256; n++) call(`running-${n}`, never);
    const later = call('later', never);
    expect(call('later', ended)).toBe(later);
    expect(() => call('one too many', never)).toThrow(/256 calls/);
  });

  it('is refused under the key of another method', () => {
    const kept = new KeptCalls();
    const method = { outlivesCaller: true, invoke: async () => 'done' };
    const start = () => new ServedCall('wait', method, {}, { kept: true });
    kept.take({ key: 'k', method: 'wait' }, start);
    expect(() => kept.take({ key: 'k', method: 'move' }, start)).toThrow(/call of wait/);
  });
});
