/** Which session is to carry the next stream, of several to the same process. */

/** What the choice looks at; a session has it. */
export interface Load {
  /** The peer owes an answer for longer than one should take. */
  readonly quiet: boolean;
  readonly streamCount: number;
}

/**
 * Whether a session is to be preferred: one that answers to one that is quiet, then the one with more streams. What they say
 * in one turn goes out together, and the limit that keeps bulk from holding up short pieces (`Flight`) sees both.
 */
export function isBetterSession(session: Load, than: Load | null): boolean {
  if (than === null) return true;
  if (session.quiet !== than.quiet) return than.quiet;
  return session.streamCount > than.streamCount;
}
