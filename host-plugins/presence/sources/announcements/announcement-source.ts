import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Check } from '../../../../protocol/control-methods.ts';
import { DockError } from '../../../../protocol/dock-error.ts';
import { formatDeviceAddress } from '../../../pairing/device-address.ts';
import type { Identity } from '../../../pairing/identity.ts';
import type { TrustStore } from '../../../pairing/trust-store.ts';
import { watchKernelNetwork } from '../../../system/network/kernel-news.ts';
import type { Observation } from '../../observation.ts';
import type { CheckedSource } from '../checked-source.ts';
import { openSystemBus, whileOwned } from '../system-bus.ts';
import { Acquaintances } from './acquaintances.ts';
import { slotMs } from './announced-id.ts';
import { Avahi, avahiName } from './avahi.ts';
import { AvahiResponder } from './avahi-responder.ts';
import { BundledResponder } from './bundled/bundled-responder.ts';
import { HeardDevices } from './heard-devices.ts';
import { parseIdRecords } from './id-records.ts';
import { readOwnPlaces } from './own-places.ts';
import type { FoundService, Responder } from './responder.ts';

export interface AnnouncementSettings {
  readonly identity: Identity;
  readonly trust: TrustStore;
  /** `unix:path=…` */
  readonly systemBus: string;
  /** Where this device listens for others; the port is known once it does. */
  readonly listening: () => { readonly address: string; readonly port: number } | undefined;
  /** Default: the computer's. */
  readonly clock?: WallClock;
}

/** The time that devices have in common, as far as their clocks are right. */
export interface WallClock {
  /** UTC, ms since 1970. */
  now(): number;
  /** Calls after this time, ms, unless disposed before. */
  after(ms: number, call: () => void): Disposable;
}

const wallClock: WallClock = {
  now: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** How long an announcement that was refused waits for the next try, ms. */
const retryMs = 30_000;
/** How long a device is announced under two names when they change, ms. */
const overlapMs = 2_000;

/**
 * Says on the local networks, by Avahi or where there is none by itself, that this device is there, so that paired devices
 * recognise it and nobody else; and hears them. What is heard says where to dial, too (`TrustStore.hints`): a hint, for anybody can repeat it.
 */
export class AnnouncementSource implements CheckedSource {
  readonly name = 'announcements';
  readonly #settings: AnnouncementSettings;
  readonly #acquaintances: Acquaintances;
  readonly #clock: WallClock;
  #refusal: DockError | undefined;

  constructor(settings: AnnouncementSettings) {
    this.#settings = settings;
    this.#acquaintances = new Acquaintances(settings.identity, settings.trust);
    this.#clock = settings.clock ?? wallClock;
  }

  async observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void> {
    const { hints } = this.#settings.trust;
    const heard = new HeardDevices((device, addresses, news) => {
      hints.set(device, addresses);
      if (news) told({ kind: 'announcement', device, heard: addresses.length > 0 });
    });
    const byItself = async (until: AbortSignal) => {
      await using responder = new BundledResponder();
      await this.#speak(responder, heard, until);
    };
    const { systemBus } = this.#settings;
    await using bus = await openSystemBus(systemBus).catch(() => undefined);
    if (bus === undefined) return await byItself(signal);
    const avahi = new Avahi(bus);
    // Starts it where D-Bus can; else it is waited for: it may be installed, or come up, later than wdockd.
    await avahi.version(signal).catch(() => signal.throwIfAborted());
    const byAvahi = (present: AbortSignal) => this.#speak(new AvahiResponder(avahi), heard, present);
    await whileOwned(bus, avahiName, byAvahi, signal, byItself);
  }

  async check(signal: AbortSignal): Promise<Check> {
    const { name } = this;
    const avahi = await this.#versionOfAvahi(signal);
    const speaker = avahi ?? 'wdockd itself, as there is no Avahi';
    if (this.#refusal === undefined) return { name, state: 'ok', detail: `by ${speaker}` };
    return {
      name,
      state: 'warning',
      detail: `paired devices do not hear of this one by ${speaker}: ${this.#refusal.message}`,
      remedy:
        avahi === undefined
          ? 'see which program has that port (ss -ulpn sport = :5353), or install avahi-daemon (apt install avahi-daemon)'
          : 'look for disable-publishing and the like in /etc/avahi/avahi-daemon.conf',
    };
  }

  async #versionOfAvahi(signal: AbortSignal): Promise<string | undefined> {
    try {
      await using bus = await openSystemBus(this.#settings.systemBus);
      return await new Avahi(bus).version(signal);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #speak(responder: Responder, heard: HeardDevices, signal: AbortSignal): Promise<void> {
    await using ends = new AsyncDisposableStack();
    const one = new AbortController();
    ends.defer(() => one.abort());
    const both = AbortSignal.any([signal, one.signal]);
    const found = (service: FoundService) => {
      const device = this.#acquaintances.recognise(parseIdRecords(service.records), this.#clock.now());
      heard.found(service.key, device, addressOf(service));
    };
    const hearing = responder.listen({ found, lost: (key) => heard.lost(key) }, both);
    await Promise.all([hearing, this.#keepAnnounced(responder, both)]);
  }

  /** Announces anew, under new names, whenever what is to be said changes. The end of the responder ends it. */
  async #keepAnnounced(responder: Responder, signal: AbortSignal): Promise<void> {
    const { trust } = this.#settings;
    let news = new AbortController();
    const change = () => news.abort();
    trust.on('added', change).on('forgotten', change);
    const kernel = watchKernelNetwork(['address'], change, signal);
    kernel.catch(() => undefined); // each wait below sees it
    try {
      for (let end: (() => Promise<void>) | undefined; ; ) {
        news = new AbortController();
        using _slotEnd = this.#clock.after(slotMs - (this.#clock.now() % slotMs), change);
        const started = await this.#announceNow(responder, signal);
        if (end !== undefined) {
          // Others have to know the new names before the old ones say good-bye.
          await Promise.race([delay(overlapMs, undefined, { signal }), kernel]);
          await end();
        }
        end = started;
        using _retry = this.#refusal === undefined ? undefined : this.#clock.after(retryMs, change);
        const wake = AbortSignal.any([news.signal, signal]);
        if (!wake.aborted) await Promise.race([once(wake, 'abort'), kernel]);
        signal.throwIfAborted();
      }
    } finally {
      trust.off('added', change).off('forgotten', change);
      await kernel.catch(() => undefined);
    }
  }

  /** Undefined where there is nothing to be said, nobody to say it to, or it is refused, which `check` says. */
  async #announceNow(responder: Responder, signal: AbortSignal): Promise<(() => Promise<void>) | undefined> {
    const ids = this.#acquaintances.idsToAnnounce(this.#clock.now());
    const listening = this.#settings.listening();
    this.#refusal = undefined;
    const own = ids.length === 0 || listening === undefined ? [] : await readOwnPlaces(listening.address);
    try {
      const places = await responder.attach(own, signal);
      if (places.length === 0 || listening === undefined) return undefined;
      return await responder.announce({ ids, places, port: listening.port }, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#refusal = DockError.from(error);
      return undefined;
    }
  }
}

function addressOf({ address, interfaceIndex, port }: FoundService): string {
  // A link-local address means nothing without its link (RFC 4007, 11).
  const host = /^fe80:/i.test(address) ? `${address}%${interfaceIndex}` : address;
  return formatDeviceAddress({ host, port });
}
