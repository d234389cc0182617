// Observes in the namespaces and on the bus that it is started with, until its standard input ends. Prints each
// observation, and each change of the addresses at which a device was heard, as a line of JSON. Its argument is the wish.
// Requests: `check` prints that, `next slot` lets a time slot pass.

import { createInterface } from 'node:readline';
import { PeerConnections } from '../../../host-plugins/pairing/peer-connections.ts';
import { SecureServer } from '../../../host-plugins/pairing/secure-server.ts';
import { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import { slotMs } from '../../../host-plugins/presence/sources/announcements/announced-id.ts';
import { AnnouncementSource } from '../../../host-plugins/presence/sources/announcements/announcement-source.ts';
import { CableSource } from '../../../host-plugins/presence/sources/cable-source.ts';
import type { CheckedSource } from '../../../host-plugins/presence/sources/checked-source.ts';
import { LinkSource } from '../../../host-plugins/presence/sources/link-source.ts';
import { loadPlainIdentity } from '../../unit/pairing/plain-identity.ts';
import { testTable, whoAmI } from '../pairing/two-devices.ts';

interface AnnouncementWish {
  readonly source: 'announcements' | 'links';
  readonly bus: string;
  readonly folder: string;
  readonly port: number;
}

const wish = JSON.parse(process.argv[2] ?? '') as AnnouncementWish | { readonly source: 'cable' };
const say = (told: object) => process.stdout.write(`${JSON.stringify(told)}\n`);
const end = new AbortController();
/** How many time slots the clock is ahead, and what waits for the end of this one. */
let slots = 0;
const slotEnds = new Set<() => void>();
const sources = await makeSources();
for (const source of sources) say(await source.check(end.signal));
const observing = Promise.all(sources.map((source) => source.observe(say, end.signal)));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'check') for (const source of sources) say(await source.check(end.signal));
  if (line === 'next slot') {
    slots++;
    for (const call of [...slotEnds]) call();
  }
}
end.abort();
await observing;

async function makeSources(): Promise<CheckedSource[]> {
  if (wish.source === 'cable') return [new CableSource({ plays: undefined, uplink: 'eth0' })];
  const { bus, folder, port } = wish;
  const identity = await loadPlainIdentity(folder, 'unused');
  const trust = await TrustStore.load(`${folder}/devices.json`, identity.id);
  trust.hints.on('changed', (device) => say({ hints: trust.hints.of(device), device }));
  const announcements = new AnnouncementSource({
    identity,
    trust,
    systemBus: bus,
    listening: () => ({ address: '::', port }),
    clock: {
      now: () => Date.now() + slots * slotMs,
      after: (_ms, call) => {
        slotEnds.add(call);
        return { [Symbol.dispose]: () => slotEnds.delete(call) };
      },
    },
  });
  if (wish.source === 'announcements') return [announcements];
  const server = new SecureServer(identity, trust, { onRefused: () => {} });
  const peers = new PeerConnections({ identity, trust, server, table: testTable });
  peers.serve({ handlers: whoAmI });
  await server.listen('::', port);
  return [announcements, new LinkSource({ peers, trust, plays: undefined })];
}
