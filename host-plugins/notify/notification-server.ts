import type { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { makeVariant } from '../system/dbus/dbus-value.ts';
import type { ShownTrip } from './show-trip.ts';

const name = 'org.freedesktop.Notifications';
const server = { destination: name, path: '/org/freedesktop/Notifications', interface: name } as const;
const urgencies = { normal: 1, critical: 2 } as const;
/** Stays until it is replaced; else as long as the desktop finds right, ms. */
const never = 0;
const asUsual = -1;
/** Of the one button. */
const cancelAction = 'cancel';

/** The desktop's notifications (Desktop Notifications Specification 1.2). Errors as in DbusConnection. */
export class NotificationServer {
  readonly #bus: DbusConnection;

  constructor(sessionBus: DbusConnection) {
    this.#bus = sessionBus;
  }

  /** Shows it in the place of `replaces` (0: none), and returns its number. */
  async show(shown: ShownTrip, replaces: number, signal: AbortSignal): Promise<number> {
    const capabilities = await this.#capabilities(signal);
    const can = (what: string) => capabilities.includes(what);
    const actions = shown.canCancel && can('actions') ? [cancelAction, 'Cancel'] : [];
    const body = can('body-markup') ? escapeMarkup(shown.body) : shown.body;
    const hints = {
      urgency: makeVariant('y', urgencies[shown.urgency]),
      category: makeVariant('s', 'transfer'),
      ...(shown.percent === undefined ? {} : { value: makeVariant('i', shown.percent) }),
      ...(shown.percent === undefined ? {} : { resident: makeVariant('b', true) }),
    };
    const [id] = await this.#bus.call(
      {
        ...server,
        member: 'Notify',
        signature: 'susssasa{sv}i',
        body: [
          ...['Wireless Dock', replaces, 'computer', shown.summary, body, actions, hints],
          shown.percent === undefined ? asUsual : never,
        ],
      },
      signal,
    );
    return Number(id);
  }

  /** Returns what ends it. */
  onCancel(hear: (id: number) => void): () => void {
    return this.#bus.listen({ sender: name, interface: name, member: 'ActionInvoked' }, ({ body }) => {
      if (body[1] === cancelAction) hear(Number(body[0]));
    });
  }

  /** Tells what its user has put away. Returns what ends it. */
  onDismissed(hear: (id: number) => void): () => void {
    const dismissed = 2;
    return this.#bus.listen({ sender: name, interface: name, member: 'NotificationClosed' }, ({ body }) => {
      if (body[1] === dismissed) hear(Number(body[0]));
    });
  }

  async #capabilities(signal: AbortSignal): Promise<readonly string[]> {
    const [all] = await this.#bus.call({ ...server, member: 'GetCapabilities' }, signal);
    return all as readonly string[];
  }
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
