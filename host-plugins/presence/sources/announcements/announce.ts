import { randomBytes } from 'node:crypto';
import { DockError } from '../../../../protocol/dock-error.ts';
import { type Avahi, any, noCookie, noReverse } from './avahi.ts';
import { formatIdRecords, randomId } from './id-records.ts';
import { type Announcement, serviceType } from './responder.ts';

/** AVAHI_ENTRY_GROUP_ESTABLISHED, _COLLISION, _FAILURE. */
const [established, collision, failure] = [2, 3, 4];
/** Probing for names takes below a second on each interface (RFC 6762, 8.1). */
const establishLimitMs = 10_000;

/** `Responder.announce` by Avahi. */
export async function announce(
  avahi: Avahi,
  { ids, places, port }: Announcement,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const name = randomId();
  const host = `${randomBytes(8).toString('hex')}.local`;
  const txt = formatIdRecords(ids).map((record) => Buffer.from(record));
  const [opened] = await avahi.server('EntryGroupNew', '', [], signal);
  const group = String(opened);
  const settled = Promise.withResolvers<void>();
  const stop = avahi.hear('EntryGroup', 'StateChanged', (path, [state, error]) => {
    if (path !== group) return;
    if (state === established) settled.resolve();
    if (state === collision || state === failure) {
      settled.reject(new DockError('io', `Avahi cannot announce this device: ${String(error)}`));
    }
  });
  const call = (member: string, signature: string, body: readonly unknown[]) =>
    avahi.call(group, 'EntryGroup', member, signature, body, signal);
  const free = () => avahi.free(group, 'EntryGroup', AbortSignal.timeout(establishLimitMs));
  const late = setTimeout(settled.resolve, establishLimitMs); // no interface is up: it is announced when one is
  const onAbort = () => settled.reject(DockError.from(signal.reason, 'cancelled'));
  signal.addEventListener('abort', onAbort);
  try {
    for (const { interfaceIndex, addresses } of places) {
      for (const address of addresses) {
        await call('AddAddress', 'iiuss', [interfaceIndex, any, noReverse, host, address]);
      }
      const service = [interfaceIndex, any, noCookie, name, serviceType, '', host, port, txt];
      await call('AddService', 'iiussssqaay', service);
    }
    await call('Commit', '', []);
    await settled.promise;
    return free;
  } catch (error) {
    settled.promise.catch(() => undefined);
    await free();
    throw error;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
    stop();
  }
}
