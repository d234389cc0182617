import { describe, expect, it } from 'vitest';
import { DbusConnection, dbusErrorName } from '../../../guest-agent/dbus/dbus-connection.ts';
import type { DbusInterface } from '../../../guest-agent/dbus/dbus-interface.ts';
import { makeVariant, plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { PrivateBus } from './private-bus.ts';

const limit = () => AbortSignal.timeout(20_000);
const face = 'org.example.Clock1';
const path = '/org/example/Clock1';
const service = { destination: 'org.example.Clock', path, interface: face };

/** A service that answers `Echo`, never answers `Sleep`, and sends `Tick`. */
function offerClock(bus: DbusConnection): DbusInterface {
  const offered: DbusInterface = {
    name: face,
    methods: {
      Echo: { in: [['value', 'v']], out: [['value', 'v']], handle: ([value]) => [value] },
      Sleep: { in: [], out: [], handle: () => new Promise(() => {}) },
    },
    properties: {},
    signals: { Tick: [['count', 'u']] },
  };
  bus.export(path, offered);
  return offered;
}

async function clock(address: string): Promise<DbusConnection> {
  const bus = new DbusConnection(address);
  offerClock(bus);
  await bus.ownName(service.destination, limit());
  return bus;
}

/** Resolves when somebody owns the name. */
function owned(bus: DbusConnection, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (owner: string | undefined): void => {
      if (owner === undefined) return;
      stop();
      resolve();
    };
    const stop = bus.listenToOwner(name, look);
    bus.ownerOf(name, limit()).then(look, reject);
  });
}

/** How many match rules the daemon holds for a connection. */
async function countRules(bus: DbusConnection): Promise<number> {
  const [stats] = await bus.call(
    {
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus.Debug.Stats',
      member: 'GetConnectionStats',
      signature: 's',
      body: [bus.uniqueName],
    },
    limit(),
  );
  return Number((plainDbusValue(stats) as Record<string, unknown>)['MatchRules']);
}

/** Collects signals and lets a test wait for the nth. */
function collect() {
  const heard: unknown[] = [];
  let wake = (): void => {};
  return {
    heard,
    hear: ({ body }: { body: readonly unknown[] }) => {
      heard.push(...body);
      wake();
    },
    count: async (wanted: number) => {
      while (heard.length < wanted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return heard;
    },
  };
}

describe('a connection to the bus', { timeout: 20_000 }, () => {
  it('refuses an address that needs native code', () => {
    expect(() => new DbusConnection('unix:abstract=/tmp/x')).toThrow(/unix:path=/);
  });

  it('rejects a call that waits when the bus dies, and goes on when it is back', async () => {
    await using bus = await PrivateBus.start('open');
    await using server = await clock(bus.address);
    await using client = new DbusConnection(bus.address);
    const stuck = client.call({ ...service, member: 'Sleep' }, limit());
    const failed = expect(stuck).rejects.toMatchObject({ kind: 'io' });
    await client.ownerOf(service.destination, limit());
    await bus.kill();
    await failed;
    await bus.resume();
    // The name and the object are there again without a word from the service.
    const ticks = collect();
    await owned(client, service.destination);
    client.listen({ sender: service.destination, member: 'Tick' }, ticks.hear);
    await client.ownerOf(service.destination, limit());
    const echo = { ...service, member: 'Echo', signature: 'v', body: [makeVariant('t', 7n)] };
    expect(plainDbusValue(await client.call(echo, limit()))).toEqual([7]);
    server.emit(path, face, 'Tick', 'u', [1]);
    expect(await ticks.count(1)).toEqual([1]);
  });

  it('hears signals again after a reconnection, by rules made before it', async () => {
    await using bus = await PrivateBus.start('open');
    await using client = new DbusConnection(bus.address);
    const ticks = collect();
    client.listen({ sender: service.destination, member: 'Tick' }, ticks.hear);
    await client.ownerOf(service.destination, limit());
    await bus.kill();
    await bus.resume();
    await using server = await clock(bus.address);
    await client.ownerOf(service.destination, limit());
    server.emit(path, face, 'Tick', 'u', [2]);
    expect(await ticks.count(1)).toEqual([2]);
  });

  it('hears a service that was started again, and not one that lost the name', async () => {
    await using bus = await PrivateBus.start('open');
    await using client = new DbusConnection(bus.address);
    const ticks = collect();
    client.listen({ sender: service.destination, member: 'Tick' }, ticks.hear);
    const first = await clock(bus.address);
    // An answer from the bus means that it has the rules that were sent before.
    await client.ownerOf(service.destination, limit());
    first.emit(path, face, 'Tick', 'u', [1]);
    await ticks.count(1);
    await first[Symbol.asyncDispose]();
    await using impostor = new DbusConnection(bus.address);
    // Another rule of the same connection lets these through to it.
    client.listen({ member: 'Tick' }, () => {});
    await client.ownerOf(service.destination, limit());
    await impostor.ownerOf(service.destination, limit());
    impostor.emit(path, face, 'Tick', 'u', [66]);
    await using second = await clock(bus.address);
    await client.ownerOf(service.destination, limit());
    second.emit(path, face, 'Tick', 'u', [2]);
    expect(await ticks.count(2)).toEqual([1, 2]);
  });

  it('holds one rule for many listeners, and none when they are gone', async () => {
    await using bus = await PrivateBus.start('open');
    await using client = new DbusConnection(bus.address);
    await client.ownerOf(service.destination, limit());
    expect(await countRules(client)).toBe(0);
    const stops = Array.from({ length: 600 }, () => client.listen({ member: 'Tick' }, () => {}));
    expect(await countRules(client)).toBe(1);
    for (const stop of stops) stop();
    for (const stop of stops) stop();
    expect(await countRules(client)).toBe(0);
  });

  it('gives up a call after its time, or when it is told to', async () => {
    await using bus = await PrivateBus.start('open');
    await using _server = await clock(bus.address);
    await using client = new DbusConnection(bus.address);
    const sleep = { ...service, member: 'Sleep' };
    await expect(client.call({ ...sleep, timeoutMs: 20 }, limit())).rejects.toMatchObject({
      kind: 'timeout',
    });
    const stop = new AbortController();
    const stopped = client.call(sleep, stop.signal);
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
  });

  it('tells a service that is not there from one that refuses', async () => {
    await using bus = await PrivateBus.start('open');
    await using client = new DbusConnection(bus.address);
    const absent = client.call(
      { ...service, member: 'Echo', signature: 'v', body: [makeVariant('s', '')] },
      limit(),
    );
    await expect(absent).rejects.toMatchObject({ kind: 'missing-dependency' });
    await using _server = await clock(bus.address);
    const refused = await client
      .call({ ...service, member: 'Nonsense' }, limit())
      .catch((error: unknown) => error);
    expect(dbusErrorName(refused)).toBe('org.freedesktop.DBus.Error.UnknownMethod');
    expect(await client.ownerOf('org.example.Nobody', limit())).toBeUndefined();
  });

  it('waits for a bus that is started later, and is closed while it waits', async () => {
    await using bus = await PrivateBus.start('open');
    await bus.kill();
    await using client = new DbusConnection(bus.address);
    const waiting = client.ownerOf('org.freedesktop.DBus', limit());
    await bus.resume();
    expect(await waiting).toBe('org.freedesktop.DBus');
    await bus.kill();
    const closed = client.call({ ...service, member: 'Sleep' }, limit());
    const rejected = expect(closed).rejects.toBeDefined();
    await client[Symbol.asyncDispose]();
    await rejected;
  });
});
