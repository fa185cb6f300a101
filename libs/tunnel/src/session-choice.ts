/** Which session is to carry the next stream, of several that could. */

/** What the choice looks at; a session has it. */
export interface Load {
  /** The peer owes an answer for longer than one should take. */
  readonly quiet: boolean;
  /** Bulk is under way to the peer: what is said next waits behind it. */
  readonly busy: boolean;
  readonly streamCount: number;
}

/**
 * Whether a session is to be preferred: one that answers to one that is quiet, then one without bulk under way. Of those,
 * the one with more streams, because what they say in one turn goes out together; among busy ones the one with fewer.
 */
export function isBetterSession(session: Load, than: Load | null): boolean {
  if (than === null) return true;
  if (session.quiet !== than.quiet) return than.quiet;
  if (session.busy !== than.busy) return than.busy;
  return session.busy ? session.streamCount < than.streamCount : session.streamCount > than.streamCount;
}
