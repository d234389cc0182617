/** A helper in a user's session that has made itself known. */
export interface KnownSession {
  /** Unique name on the system bus. */
  readonly name: string;
  readonly uid: number;
}

/**
 * The session whose screen counts: that of the user who is active on the seat. Where logind knows of none (or is
 * not there), the one that came last. A user who is not at the seat must not speak for the screen.
 */
export function chooseSession(
  known: readonly KnownSession[],
  activeUid: number | undefined,
): KnownSession | undefined {
  return activeUid === undefined ? known.at(-1) : known.findLast((session) => session.uid === activeUid);
}
