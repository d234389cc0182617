import type { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { makeVariant } from '../system/dbus/dbus-value.ts';
import type { Notification } from './notification.ts';

const name = 'org.freedesktop.Notifications';
const server = { destination: name, path: '/org/freedesktop/Notifications', interface: name } as const;
const urgencies = { normal: 1, critical: 2 } as const;
/** Stays until it is replaced; else as long as the desktop finds right, ms. */
const never = 0;
const asUsual = -1;

/** The desktop's notifications (Desktop Notifications Specification 1.2). Errors as in DbusConnection. */
export class NotificationServer {
  readonly #bus: DbusConnection;

  constructor(sessionBus: DbusConnection) {
    this.#bus = sessionBus;
  }

  /** Shows it in the place of `replaces` (0: none), and returns its number. */
  async show(shown: Notification, replaces: number, signal: AbortSignal): Promise<number> {
    const capabilities = await this.#capabilities(signal);
    const can = (what: string) => capabilities.includes(what);
    const actions = can('actions') ? shown.buttons.flatMap(({ key, label }) => [key, label]) : [];
    const { insteadOfButtons } = shown;
    const text =
      can('actions') || insteadOfButtons === undefined ? shown.body : `${shown.body}\n${insteadOfButtons}`;
    const body = can('body-markup') ? escapeMarkup(text) : text;
    const hints = {
      urgency: makeVariant('y', urgencies[shown.urgency]),
      category: makeVariant('s', shown.category),
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
          shown.stays ? never : asUsual,
        ],
      },
      signal,
    );
    return Number(id);
  }

  /** Takes it from the screen. One that is not there any more is none to complain of. */
  async takeAway(id: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#bus.call({ ...server, member: 'CloseNotification', signature: 'u', body: [id] }, signal);
    } catch {
      signal.throwIfAborted();
    }
  }

  /** Tells which button was pressed. Returns what ends it. */
  onPressed(hear: (id: number, key: string) => void): () => void {
    return this.#bus.listen({ sender: name, interface: name, member: 'ActionInvoked' }, ({ body }) =>
      hear(Number(body[0]), String(body[1])),
    );
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
