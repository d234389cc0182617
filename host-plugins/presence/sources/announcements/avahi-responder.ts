import { announce } from './announce.ts';
import type { Avahi } from './avahi.ts';
import { listen } from './listen.ts';
import type { Announcement, ListenEvents, OwnPlace, Responder } from './responder.ts';

/** Avahi's daemon, which is at all places by itself. */
export class AvahiResponder implements Responder {
  readonly #avahi: Avahi;

  constructor(avahi: Avahi) {
    this.#avahi = avahi;
  }

  async attach(places: readonly OwnPlace[], signal: AbortSignal): Promise<OwnPlace[]> {
    const shared = await Promise.all(
      places.map((place) => this.#avahi.sharesInterface(place.interfaceIndex, place.interfaceName, signal)),
    );
    return places.filter((_place, at) => shared[at]);
  }

  async announce(announcement: Announcement, signal: AbortSignal): Promise<() => Promise<void>> {
    return await announce(this.#avahi, announcement, signal);
  }

  async listen(events: ListenEvents, signal: AbortSignal): Promise<void> {
    await listen(this.#avahi, events, signal);
  }
}
