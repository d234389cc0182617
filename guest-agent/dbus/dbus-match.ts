/** Which signals to hear. A well-known `sender` follows the name to whoever owns it. */
export interface DbusMatch {
  readonly sender?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  /** The first argument, where it is a string. */
  readonly arg0?: string;
}

export interface DbusSignal {
  /** Unique name of the sender. */
  readonly sender: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

/** The rule as AddMatch takes it (D-Bus specification, "Match Rules"). */
export function formatMatchRule(match: DbusMatch): string {
  const parts = ["type='signal'"];
  for (const key of ['sender', 'path', 'interface', 'member', 'arg0'] as const) {
    const value = match[key];
    // Inside quotes an apostrophe ends the quoted part, is escaped outside of it, and the quoting goes on.
    if (value !== undefined) parts.push(`${key}='${value.replaceAll("'", "'\\''")}'`);
  }
  return parts.join(',');
}

/** Who owns a well-known name: its unique name, undefined for nobody, `unknown` until the bus has said it. */
export type NameOwner =
  | { readonly known: false }
  | { readonly known: true; readonly uniqueName: string | undefined };

/**
 * Whether a signal that arrived is one of these. Every rule of a connection feeds one stream, so each listener
 * has to look again. `owner` is who owns `match.sender`, absent where that is no name that is followed. While the
 * owner is not known the daemon's own filtering is trusted: dropping would lose the first signals of a listener.
 */
export function matchesSignal(match: DbusMatch, signal: DbusSignal, owner: NameOwner | undefined): boolean {
  if (match.sender !== undefined) {
    if (owner === undefined && signal.sender !== match.sender) return false;
    if (owner?.known === true && signal.sender !== owner.uniqueName) return false;
  }
  if (match.path !== undefined && signal.path !== match.path) return false;
  if (match.interface !== undefined && signal.interface !== match.interface) return false;
  if (match.member !== undefined && signal.member !== match.member) return false;
  return match.arg0 === undefined || signal.body[0] === match.arg0;
}
