/** Whether `org.wirelessdock.Host1` can be reached. */
export type HostBusState =
  /** The configuration says so. */
  | { readonly kind: 'off' }
  /** There is no bus, or it has gone; it is tried again and again. */
  | { readonly kind: 'no-bus'; readonly why: string }
  /** The bus does not give us our name. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'served'; readonly polkit: () => Promise<boolean> };

/** What the service found, for `wdock doctor`. */
export class HostBusReport {
  state: HostBusState = { kind: 'no-bus', why: 'wdockd is starting' };
}
