import { tripShape } from '../host-bus/host-shapes.ts';
import type { HostProperties, HostWatch } from './host-watch.ts';
import { KeptNotification, type Screen } from './kept-notification.ts';
import { showTrip, type TripProperties } from './show-trip.ts';

interface ShownTrip {
  readonly notification: KeptNotification;
  /** Its user has put it away: only the end is shown. */
  dismissed: boolean;
}

/** Each trip of this device, whoever asked for it, as one notification with its progress and a button to cancel it. */
export class TripNotifications {
  readonly #screen: Screen;
  readonly #trips = new Map<string, ShownTrip>();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** @param found properties of the trip, as in HostWatch */
  hear(path: string, found: HostProperties | undefined): void {
    if (found === undefined) {
      // Nobody is there to say how it goes on.
      this.#trips.get(path)?.notification.takeAway();
      this.#trips.delete(path);
      return;
    }
    const trip = found as unknown as TripProperties;
    const running = trip.State === 'running';
    const known = this.#trips.get(path);
    // What ended before anybody watched is no news.
    if (known === undefined && !running) return;
    const shown = known ?? { notification: new KeptNotification(this.#screen), dismissed: false };
    if (running) this.#trips.set(path, shown);
    else this.#trips.delete(path);
    if (!running || !shown.dismissed) shown.notification.show(showTrip(trip));
  }

  pressed(id: number, watch: HostWatch): void {
    const path = this.#find(id)?.[0];
    if (path === undefined) return;
    const { complain, signal } = this.#screen;
    watch.call({ path, interface: tripShape.name, member: 'Cancel' }, signal).catch(complain);
  }

  dismissed(id: number): void {
    const trip = this.#find(id)?.[1];
    if (trip === undefined) return;
    trip.dismissed = true;
    trip.notification.wasPutAway();
  }

  #find(id: number): [string, ShownTrip] | undefined {
    return [...this.#trips].find(([, { notification }]) => notification.is(id));
  }
}
