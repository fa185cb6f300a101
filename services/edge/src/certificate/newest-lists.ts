/**
 * Keeps what a URL gives from going back: a mirror that lags, or somebody on the way who replays a list, would let in whom
 * a newer one revokes. Of each CA it knows when the newest list was made that was ever taken, also while another CA's is
 * here, and in what is taken there may be none of that CA that is older, not beside others either. A list from the future,
 * of a CA whose clock was wrong, holds up none.
 */

/** Of so many CAs lists are taken from one URL. */
export const casPerUrlMax = 1_000;

/** What was taken from one URL. */
export class NewestLists {
  readonly #madeAt = new Map<string, Date>();

  /** Takes lists, by CA; throws where one is older than one that was taken. */
  take(lists: ReadonlyMap<string, { readonly made: Date }>, now: Date): void {
    for (const [ca, { made }] of lists) {
      const newest = this.#madeAt.get(ca);
      if (newest === undefined || made >= newest) continue;
      const [old, ours] = [made, newest].map((at) => at.toISOString());
      throw new Error(`it is of ${old}, and older than one of the same CA that was taken, of ${ours}`);
    }
    const begun = [...lists].filter(([, { made }]) => made <= now);
    const more = begun.filter(([ca]) => !this.#madeAt.has(ca)).length;
    if (this.#madeAt.size + more > casPerUrlMax)
      throw new Error(`it has lists of more than ${casPerUrlMax} CAs, together with those before it`);
    for (const [ca, { made }] of begun) this.#madeAt.set(ca, made);
  }
}
