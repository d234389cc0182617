import { once } from 'node:events';
import { expect, it } from 'vitest';
import { Callers } from '../../../host-plugins/host-bus/callers.ts';
import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';

const within = () => AbortSignal.timeout(20_000);

/** A connection, with its unique name. */
async function caller(bus: PrivateBus) {
  const connection = new DbusConnection(bus.address);
  await connection.ownerOf('org.freedesktop.DBus', within());
  return { connection, name: connection.uniqueName as string };
}

it('one caller cannot have more done for it than eight things at a time, and others can all the same', async () => {
  await using bus = await PrivateBus.start('open');
  const ours = await caller(bus);
  await using _ = ours.connection;
  const callers = new Callers(ours.connection);
  const eight = Array.from({ length: 8 }, () => callers.watch(':1.77'));
  expect(() => callers.watch(':1.77')).toThrow(/8 of your calls wait already/);
  callers.watch(':1.78');
  eight[0]?.[Symbol.dispose]();
  callers.watch(':1.77');
});

it('what is done for a caller ends when it leaves the bus, and when the bus is lost', async () => {
  await using bus = await PrivateBus.start('open');
  const ours = await caller(bus);
  await using _ = ours.connection;
  const callers = new Callers(ours.connection);
  const theirs = await caller(bus);
  const first = callers.watch(theirs.name);
  const left = once(first.signal, 'abort', { signal: within() });
  await theirs.connection[Symbol.asyncDispose]();
  await left;

  const others = await caller(bus);
  await using __ = others.connection;
  const second = callers.watch(others.name);
  const lost = once(second.signal, 'abort', { signal: within() });
  await bus.kill();
  await bus.resume();
  await lost;
});
