import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QmpClient } from '../../../host-plugins/qemu/qmp-client.ts';
import { queryMigration, queryStatus } from '../../../host-plugins/qemu/qmp-schema.ts';
import { greeting, ScriptedQmp } from './scripted-qmp.ts';

const at = { seconds: 1_700_000_000, microseconds: 250_000 };

function soon(ms = 5_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

async function connected(options?: {
  maxMessageBytes: number;
}): Promise<{ qemu: ScriptedQmp; client: QmpClient } & AsyncDisposable> {
  const qemu = await ScriptedQmp.create();
  const [client] = await Promise.all([QmpClient.connect(qemu.path, soon(), options), qemu.negotiate()]);
  return {
    qemu,
    client,
    async [Symbol.asyncDispose]() {
      await client.disconnect();
      await qemu[Symbol.asyncDispose]();
    },
  };
}

describe('connecting', () => {
  it('fails with qemu-gone where nobody listens, and may be tried again', async () => {
    const client = new QmpClient('/nonexistent/qmp.sock');
    await expect(client.connect(soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
    expect(client.state).toBe('idle');
    await expect(client.connect(soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
  });

  it.each([
    ['no JSON', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['JSON of something else', '{"jsonrpc":"2.0"}\n'],
    ['a greeting without a version', '{"QMP":{"capabilities":[]}}\n'],
    ['an event before the greeting', `${JSON.stringify({ event: 'STOP', timestamp: at })}\n`],
    ['two greetings', `${JSON.stringify(greeting)}\n${JSON.stringify(greeting)}\n`],
    ['a line without end', 'x'.repeat(200)],
  ])('fails with protocol for a server that sends %s', async (_what, bytes) => {
    await using qemu = await ScriptedQmp.create(bytes);
    const client = new QmpClient(qemu.path, { maxMessageBytes: 180 });
    await expect(client.connect(soon())).rejects.toMatchObject({ kind: 'protocol' });
    expect(client.state).toBe('idle');
  });

  it('stops waiting for a server that says nothing', async () => {
    await using qemu = await ScriptedQmp.create('');
    const client = new QmpClient(qemu.path);
    await expect(client.connect(soon(50))).rejects.toMatchObject({ kind: 'timeout' });
    expect(client.state).toBe('idle');
  });

  it('asks for out-of-band commands', async () => {
    await using qemu = await ScriptedQmp.create();
    const [client, negotiation] = await Promise.all([QmpClient.connect(qemu.path, soon()), qemu.negotiate()]);
    expect(negotiation).toMatchObject({ execute: 'qmp_capabilities', arguments: { enable: ['oob'] } });
    expect(client.version).toEqual({ major: 10, minor: 0, micro: 2 });
    await client.disconnect();
  });
});

describe('commands', () => {
  it('are rejected with qemu-gone when the socket dies: the one in flight, the waiting, and later ones', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const first = expect(client.execute('stop', {}, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
    const second = expect(client.execute('cont', {}, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
    await qemu.command();
    qemu.hangUp();
    await first;
    await second;
    await client.closed;
    expect(client.state).toBe('idle');
    await expect(client.execute('cont', {}, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
  });

  it('are rejected with what broke the connection, the first cause', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const pending = expect(client.execute('stop', {}, soon())).rejects.toMatchObject({ kind: 'protocol' });
    await qemu.command();
    qemu.sendBytes('{"return": \n');
    qemu.hangUp();
    await pending;
  });

  it.each([
    ['an answer to nothing', { return: {}, id: 'dock-99' }],
    ['an answer without id', { return: {} }],
    ['an error without words', { error: { class: 'GenericError' }, id: 'dock-2' }],
    ['neither answer nor event', { id: 'dock-2' }],
    ['an event without time', { event: 'STOP' }],
    ['no object', [1, 2]],
  ])('are rejected with protocol after %s', async (_what, message) => {
    await using both = await connected();
    const { qemu, client } = both;
    const pending = expect(client.execute('stop', {}, soon())).rejects.toMatchObject({ kind: 'protocol' });
    await qemu.command();
    qemu.send(message);
    await pending;
    await client.closed;
    expect(client.state).toBe('idle');
  });

  it('never bring the client down, whatever bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        await using both = await connected({ maxMessageBytes: 150 });
        const { qemu, client } = both;
        const answer = client.execute('query-status', {}, soon()).catch((error: unknown) => error);
        await qemu.command();
        qemu.sendBytes(Buffer.from(bytes));
        qemu.sendBytes('\n');
        qemu.hangUp();
        expect(await answer).toMatchObject({ kind: expect.stringMatching(/^(protocol|qemu-gone)$/) });
      }),
      { numRuns: 60 },
    );
  });

  it('that QEMU refuses say so, and the connection goes on', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const refused = expect(client.execute('device_del', { id: 'x' }, soon())).rejects.toMatchObject({
      kind: 'qemu-refused',
      message: expect.stringContaining('no such device'),
      detail: { command: 'device_del', class: 'DeviceNotFound', desc: 'no such device' },
    });
    const { id } = await qemu.command();
    qemu.send({ error: { class: 'DeviceNotFound', desc: 'no such device' }, id });
    await refused;
    const status = queryStatus(client, soon());
    qemu.send({ return: { running: true, status: 'running' }, id: (await qemu.command()).id });
    expect(await status).toEqual({ running: true, status: 'running' });
  });

  it('are sent in order, each when the one before was answered', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const answers = ['a', 'b', 'c'].map((name) => client.execute(name, {}, soon()));
    for (const name of ['a', 'b', 'c']) {
      const command = await qemu.command();
      expect(command.execute).toBe(name);
      expect(qemu.unreadCommands).toBe(0);
      qemu.send({ return: name, id: command.id });
    }
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c']);
  });

  it('out of band pass those that wait', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const slow = client.execute('migrate', {}, soon());
    const { id } = await qemu.command();
    const yank = client.executeOutOfBand('yank', {}, soon());
    const command = await qemu.command();
    expect(command['exec-oob']).toBe('yank');
    qemu.send({ return: 'yanked', id: command.id });
    expect(await yank).toBe('yanked');
    qemu.send({ return: 'slow', id });
    expect(await slow).toBe('slow');
  });

  it('that were cancelled before their turn are never sent', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const first = client.execute('a', {}, soon());
    const stop = new AbortController();
    const second = expect(client.execute('b', {}, stop.signal)).rejects.toMatchObject({ kind: 'cancelled' });
    const third = client.execute('c', {}, soon());
    const { id } = await qemu.command();
    stop.abort();
    await second;
    qemu.send({ return: 1, id });
    const next = await qemu.command();
    expect(next.execute).toBe('c');
    qemu.send({ return: 3, id: next.id });
    expect(await Promise.all([first, third])).toEqual([1, 3]);
  });

  it('that were cancelled in flight leave their late answer to nobody', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const late = expect(client.execute('a', {}, soon(30))).rejects.toMatchObject({ kind: 'timeout' });
    const { id } = await qemu.command();
    await late;
    const next = client.execute('b', {}, soon());
    qemu.send({ return: 'late', id });
    const command = await qemu.command();
    qemu.send({ return: 'mine', id: command.id });
    expect(await next).toBe('mine');
  });

  it('with an answer of another shape than QEMU’s schema are protocol errors', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const status = expect(queryMigration(client, soon())).rejects.toMatchObject({ kind: 'protocol' });
    qemu.send({ return: { status: 'on holiday' }, id: (await qemu.command()).id });
    await status;
  });

  it('get their answer however it is cut into pieces', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const answer = client.execute('a', {}, soon());
    const { id } = await qemu.command();
    const bytes = Buffer.from(`${JSON.stringify({ return: 'äö€', id })}\r\n`);
    for (const byte of bytes) {
      qemu.sendBytes(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect(await answer).toBe('äö€');
  });
});

describe('events', () => {
  it('end with qemu-gone when the socket dies, after those that had come', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const events = client.events(soon(), 'STOP');
    qemu.send({ event: 'STOP', timestamp: at });
    qemu.send({ event: 'RESUME', timestamp: at });
    const status = client.execute('query-status', {}, soon());
    qemu.send({ return: {}, id: (await qemu.command()).id });
    await status;
    qemu.hangUp();
    await client.closed;
    const seen: string[] = [];
    const read = (async () => {
      for await (const { event } of events) seen.push(event);
    })();
    await expect(read).rejects.toMatchObject({ kind: 'qemu-gone' });
    expect(seen).toEqual(['STOP']);
    expect(client.openListeners).toBe(0);
  });

  it('are heard from the call on, not from the first read, with QEMU’s time', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const events = client.events(soon(), 'MIGRATION')[Symbol.asyncIterator]();
    qemu.send({ event: 'MIGRATION', data: { status: 'active' }, timestamp: at });
    expect(await events.next()).toEqual({
      value: { event: 'MIGRATION', data: { status: 'active' }, at: 1_700_000_000_250 },
      done: false,
    });
    await events.return?.();
    expect(client.openListeners).toBe(0);
  });

  it('end without an error when their signal is aborted', async () => {
    await using both = await connected();
    const { client } = both;
    const stop = new AbortController();
    const read = (async () => {
      for await (const { event } of client.events(stop.signal)) expect.unreachable(event);
    })();
    stop.abort();
    await read;
    expect(client.openListeners).toBe(0);
  });

  it('that nobody reads end the listener, not this process’s memory', async () => {
    await using both = await connected({ maxMessageBytes: 1_000 });
    const { qemu, client } = both;
    const events = client.events(soon())[Symbol.asyncIterator]();
    qemu.sendBytes(`${JSON.stringify({ event: 'RTC_CHANGE', timestamp: at })}\n`.repeat(10_001));
    const status = client.execute('query-status', {}, soon());
    qemu.send({ return: {}, id: (await qemu.command()).id });
    await status;
    expect(client.openListeners).toBe(0);
    const drain = (async () => {
      for (;;) await events.next();
    })();
    await expect(drain).rejects.toMatchObject({ kind: 'internal' });
  });
});

describe('disconnecting', () => {
  it('rejects what waits, twice is once, and the client may connect again', async () => {
    await using both = await connected();
    const { qemu, client } = both;
    const pending = expect(client.execute('stop', {}, soon())).rejects.toMatchObject({ kind: 'qemu-gone' });
    await qemu.command();
    await Promise.all([client.disconnect(), client.disconnect()]);
    await pending;
    expect(client.state).toBe('idle');
    await Promise.all([client.connect(soon()), qemu.negotiate()]);
    expect(client.state).toBe('running');
  });
});
