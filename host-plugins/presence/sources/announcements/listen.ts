import { untilEnd } from '../system-bus.ts';
import { type Avahi, any, isLocal } from './avahi.ts';
import { type FoundService, type ListenEvents, maxServices, serviceType } from './responder.ts';

interface Item {
  readonly interface: number;
  readonly protocol: number;
  readonly name: string;
  readonly type: string;
  readonly domain: string;
}

/** `Responder.listen` by Avahi. */
export async function listen(avahi: Avahi, events: ListenEvents, signal: AbortSignal): Promise<void> {
  const items = new Map<string, { resolver: string | undefined }>();
  const keyOf = (path: string) => [...items].find(([, { resolver }]) => resolver === path)?.[0];
  const forget = (key: string) => {
    const item = items.get(key);
    if (item === undefined) return;
    items.delete(key);
    events.lost(key);
    if (item.resolver !== undefined) void avahi.free(item.resolver, 'ServiceResolver', signal);
  };
  const appear = async (item: Item) => {
    const key = formatKey(item);
    if (items.has(key) || items.size >= maxServices) return;
    const entry: { resolver: string | undefined } = { resolver: undefined };
    items.set(key, entry);
    const { interface: index, protocol, name, type, domain } = item;
    const body = [index, protocol, name, type, domain, protocol, 0];
    const [path] = await avahi.server('ServiceResolverNew', 'iisssiu', body, signal);
    if (items.get(key) === entry) entry.resolver = String(path);
    else await avahi.free(String(path), 'ServiceResolver', signal);
  };
  const stop = [
    avahi.hear('ServiceBrowser', 'ItemNew', (_path, body) => {
      const item = readItem(body);
      const isOurs = (Number(body[5]) & isLocal) !== 0;
      // What cannot be looked up now is announced again.
      if (item.type === serviceType && !isOurs) appear(item).catch(() => items.delete(formatKey(item)));
    }),
    avahi.hear('ServiceBrowser', 'ItemRemove', (_path, body) => forget(formatKey(readItem(body)))),
    avahi.hear('ServiceResolver', 'Found', (_path, body) => {
      const key = formatKey(readItem(body));
      if (items.has(key)) events.found({ key, ...readPlace(body) });
    }),
    avahi.hear('ServiceResolver', 'Failure', (path) => {
      const key = keyOf(path);
      // The resolver stays, and tells when it finds it again.
      if (key !== undefined) events.lost(key);
    }),
  ];
  try {
    await avahi.server('ServiceBrowserNew', 'iissu', [any, any, serviceType, '', 0], signal);
    await untilEnd(signal);
  } finally {
    for (const each of stop) each();
    for (const key of items.keys()) events.lost(key);
  }
}

/** What the signals of browsers and resolvers have in common, in this order. */
function readItem([index, protocol, name, type, domain]: readonly unknown[]): Item {
  return {
    interface: Number(index),
    protocol: Number(protocol),
    name: String(name),
    type: String(type),
    domain: String(domain),
  };
}

function formatKey(item: Item): string {
  return `${item.interface} ${item.protocol} ${item.name}.${item.type}.${item.domain}`;
}

/** The rest of what a resolver found: host, protocol, address, port, TXT strings. */
function readPlace(body: readonly unknown[]): Omit<FoundService, 'key'> {
  const [interfaceIndex, , , , , , , address, port, txt] = body;
  const records = (txt as Uint8Array[]).map((bytes) => Buffer.from(bytes).toString('latin1'));
  return { interfaceIndex: Number(interfaceIndex), address: String(address), port: Number(port), records };
}
