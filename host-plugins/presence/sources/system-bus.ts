import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { DbusConnection } from '../../system/dbus/dbus-connection.ts';

/** How long after a failed call the news may come that explains it, ms. */
const newsLimitMs = 1_000;

/**
 * A connection to the system bus, if there is one: without this look, a call would wait for its coming. Throws
 * `missing-dependency`.
 */
export async function openSystemBus(address: string): Promise<DbusConnection> {
  const socket = /unix:path=([^,;]+)/.exec(address)?.[1];
  try {
    await access(socket ?? '');
  } catch (error) {
    throw new DockError(
      'missing-dependency',
      `there is no system message bus at ${address}; install and start dbus`,
      { cause: error },
    );
  }
  return new DbusConnection(address);
}

/**
 * Runs `work` while somebody owns the name, with a signal that aborts when the owner goes, and again with the next owner:
 * services are restarted, and forget what they were asked. `meanwhile` runs while nobody owns it, with a signal that aborts
 * when somebody does. Settles when `signal` aborts; rejects with what either throws before its signal does.
 */
export async function whileOwned(
  bus: DbusConnection,
  name: string,
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
  meanwhile: (signal: AbortSignal) => Promise<void> = untilEnd,
): Promise<void> {
  const now: { owned: AbortController | undefined; free: AbortController | undefined } = {
    owned: undefined,
    free: undefined,
  };
  let news = Promise.withResolvers<void>();
  const change = (owner: string | undefined) => {
    now.owned?.abort(new DockError('io', `${name} has gone`));
    now.owned = owner === undefined ? undefined : new AbortController();
    if (owner === undefined) now.free ??= new AbortController();
    else {
      now.free?.abort(new DockError('io', `${name} has come`));
      now.free = undefined;
    }
    news.resolve();
  };
  const look = () => {
    bus.ownerOf(name, signal).then(change, () => change(undefined));
  };
  const stop = [bus.listenToOwner(name, change), bus.whenConnected(look)];
  const wake = () => news.resolve();
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      news = Promise.withResolvers();
      const { owned: present, free } = now;
      if (free !== undefined) {
        const until = AbortSignal.any([signal, free.signal]);
        await meanwhile(until).catch((error: unknown) => {
          if (!until.aborted) throw error;
        });
        continue;
      }
      if (present === undefined) {
        await news.promise;
        continue;
      }
      const both = AbortSignal.any([signal, present.signal]);
      try {
        await work(both);
        if (!both.aborted) await news.promise;
      } catch (error) {
        // A call that was under way fails before the news that its service, or the bus, has gone.
        if (!both.aborted) await Promise.race([news.promise, delay(newsLimitMs, undefined, { ref: false })]);
        if (!both.aborted) throw error;
      }
    }
  } finally {
    signal.removeEventListener('abort', wake);
    for (const each of stop) each();
  }
}

/** Settles when the signal aborts. */
export async function untilEnd(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
