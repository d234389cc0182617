/** Registered as DNS-SD wants it (RFC 6763, 7): at most 15 characters. */
export const serviceType = '_wireless-dock._tcp';
/** Services that are looked at, of all that say they are ours: a stranger can announce any number. */
export const maxServices = 64;

/** Who speaks multicast DNS (RFC 6762) for this computer: Avahi, or wdockd where there is none. */
export interface Responder {
  /** From now on it speaks and hears at these places. Returns those where it can. Throws `io` where it can nowhere. */
  attach(places: readonly OwnPlace[], signal: AbortSignal): Promise<OwnPlace[]>;

  /**
   * Announces at places that it is attached to, until it is ended. Every name in it is new and random, also that of the
   * host, which would otherwise say whose computer it is. On return others can find it. Throws `io` where that is refused.
   *
   * @returns ends it, with a good-bye
   */
  announce(announcement: Announcement, signal: AbortSignal): Promise<() => Promise<void>>;

  /**
   * Tells which services of our type there are, until `signal` aborts; then all are lost. Each is asked for again within two
   * minutes (RFC 6762, 5.2), so that one that left without a word is lost, too.
   */
  listen(events: ListenEvents, signal: AbortSignal): Promise<void>;
}

/** An interface and its addresses, as far as others may find us there. */
export interface OwnPlace {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly addresses: readonly string[];
  /** Those with their networks, `192.0.2.1/24`. */
  readonly subnets: readonly string[];
}

export interface Announcement {
  readonly ids: readonly string[];
  readonly places: readonly OwnPlace[];
  readonly port: number;
}

/** A service as it was found; the same one may come once for each interface, protocol and address. */
export interface FoundService {
  /** The same for all that is told of one service on one interface. */
  readonly key: string;
  readonly address: string;
  /** Number of the interface on which it was found. */
  readonly interfaceIndex: number;
  readonly port: number;
  readonly records: readonly string[];
}

export interface ListenEvents {
  readonly found: (service: FoundService) => void;
  /** It said good-bye, or it does not answer for itself any more. */
  readonly lost: (key: string) => void;
}
