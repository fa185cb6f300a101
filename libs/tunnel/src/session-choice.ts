/** Which session is to carry the next stream, of several that could. */

/** What the choice looks at. */
interface Choosable {
  readonly quiet: boolean;
  readonly streamCount: number;
}

/** Whether a session is to be preferred: one that answers to one that is quiet, then the one with fewer streams. */
export function isBetterSession(session: Choosable, than: Choosable | null): boolean {
  if (than === null) return true;
  if (session.quiet !== than.quiet) return than.quiet;
  return session.streamCount < than.streamCount;
}
