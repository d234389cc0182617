/**
 * What is seen of other devices and of this one, as far as triggers ask for it. `device` is the fingerprint of a
 * paired device, as in the trust store.
 */
export type Observation =
  /** The device announces itself on a network that this one hears, or no longer does. */
  | { readonly kind: 'announcement'; readonly device: string; readonly heard: boolean }
  /** One measurement of the link to the device; `lossShare` from 0 to 1, `rttMs` undefined where nothing came back. */
  | {
      readonly kind: 'link';
      readonly device: string;
      readonly medium: 'ethernet' | 'wifi' | 'other';
      readonly rttMs: number | undefined;
      readonly lossShare: number;
      readonly signalDbm: number | undefined;
    }
  /** The connection to the device is gone. */
  | { readonly kind: 'link-lost'; readonly device: string }
  | { readonly kind: 'power'; readonly mains: boolean; readonly batteryPercent: number | undefined }
  | { readonly kind: 'lid'; readonly closed: boolean }
  /** A wired link of this device has a carrier. */
  | { readonly kind: 'cable'; readonly plugged: boolean }
  /** The session at this device's seat. */
  | { readonly kind: 'session'; readonly locked: boolean; readonly idle: boolean }
  /** This device is about to sleep or to shut down, and waits a moment for who holds it awake. */
  | { readonly kind: 'leaving'; readonly why: 'sleep' | 'shutdown' };

export interface ObservationSource {
  readonly name: string;
  /**
   * Calls `told` for each observation until `signal` aborts; settles then. Throws `DockError` where the source is not
   * to be had here (it is then said by `wdock doctor` and left out).
   */
  observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void>;
}

/** Keeps the host awake until it is disposed. */
export interface AwakeHold extends Disposable {
  /** Aborts shortly before the host stops waiting: what cannot be done by then should be undone. */
  readonly late: AbortSignal;
}

/** Holds the host awake (logind's delay inhibitor) while a VM leaves. */
export interface StayAwake {
  hold(why: string, signal: AbortSignal): Promise<AwakeHold>;
}
