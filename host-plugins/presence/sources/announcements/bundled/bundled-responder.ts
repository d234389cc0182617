import { randomBytes } from 'node:crypto';
import { untilEnd } from '../../system-bus.ts';
import { formatIdRecords, randomId } from '../id-records.ts';
import type { Announcement, ListenEvents, OwnPlace, Responder } from '../responder.ts';
import { Conversation } from './conversation.ts';
import { type Family, MulticastSocket } from './multicast-socket.ts';
import { ownRecords } from './own-records.ts';

interface Link extends AsyncDisposable {
  readonly conversation: Conversation;
}

/**
 * Multicast DNS by wdockd itself, for computers without Avahi: as much of it as it takes to announce and find services of
 * our type. Names are random, so that it does not look whether they are free (RFC 6762, 8.1); who asks from another port than
 * multicast DNS's gets no answer (6.7), for it is no paired device.
 */
export class BundledResponder implements Responder, AsyncDisposable {
  /** By what they are made of: another address of the interface is another link. */
  readonly #links = new Map<string, Link>();
  #events: ListenEvents | undefined;

  async attach(places: readonly OwnPlace[], signal: AbortSignal): Promise<OwnPlace[]> {
    const wanted = new Map(
      places.flatMap((place) =>
        familiesOf(place).map((family) => [linkKey(place, family), { place, family }]),
      ),
    );
    for (const [key, link] of this.#links) {
      if (wanted.has(key)) continue;
      this.#links.delete(key);
      await link[Symbol.asyncDispose]();
    }
    const failures: unknown[] = [];
    for (const [key, { place, family }] of wanted) {
      if (this.#links.has(key)) continue;
      try {
        this.#links.set(key, await this.#open(place, family, signal));
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    if (this.#links.size === 0 && failures.length > 0) throw failures[0];
    return places.filter((place) => this.#linksOf(place).length > 0);
  }

  async announce({ ids, places, port }: Announcement): Promise<() => Promise<void>> {
    const name = randomId();
    const host = `${randomBytes(8).toString('hex')}.local`;
    const txt = formatIdRecords(ids);
    const ends = await Promise.all(
      places.flatMap((place) => {
        const records = ownRecords({ name, host, port, addresses: place.addresses, txt });
        return this.#linksOf(place).map(({ conversation }) => conversation.announce(records));
      }),
    );
    return async () => void (await Promise.all(ends.map((end) => end())));
  }

  async listen(events: ListenEvents, signal: AbortSignal): Promise<void> {
    this.#events = events;
    for (const { conversation } of this.#links.values()) conversation.listen(events);
    await untilEnd(signal);
    this.#events = undefined;
    for (const { conversation } of this.#links.values()) conversation.endListening();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
  }

  async #open(place: OwnPlace, family: Family, signal: AbortSignal): Promise<Link> {
    let conversation: Conversation | undefined;
    const socket = await MulticastSocket.open(place, family, (bytes) => conversation?.heard(bytes), signal);
    const opened = new Conversation(place.interfaceIndex, family, socket);
    conversation = opened;
    if (this.#events !== undefined) opened.listen(this.#events);
    return {
      conversation: opened,
      [Symbol.asyncDispose]: async () => {
        await opened[Symbol.asyncDispose]();
        await socket[Symbol.asyncDispose]();
      },
    };
  }

  #linksOf(place: OwnPlace): Link[] {
    return familiesOf(place).flatMap((family) => this.#links.get(linkKey(place, family)) ?? []);
  }
}

function familiesOf({ addresses }: OwnPlace): Family[] {
  const families: Family[] = [];
  if (addresses.some((address) => !address.includes(':'))) families.push(4);
  if (addresses.some((address) => address.includes(':'))) families.push(6);
  return families;
}

function linkKey(place: OwnPlace, family: Family): string {
  const subnets = family === 4 ? place.subnets.filter((subnet) => !subnet.includes(':')) : [];
  return JSON.stringify([family, place.interfaceIndex, place.interfaceName, ...subnets]);
}
