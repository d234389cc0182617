export interface DbusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** Of `body`; both empty when absent. */
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** Default 25000, as in libdbus. */
  readonly timeoutMs?: number;
  /** Do not start the service for this call. */
  readonly noAutoStart?: boolean;
  /** The service may ask the user for a password meanwhile; give it the time. */
  readonly interactive?: boolean;
}
