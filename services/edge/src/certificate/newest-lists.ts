/**
 * Keeps what a URL gives from going back: a mirror that lags, or somebody on the way who replays a list, would let in whom
 * a newer one revokes. Of each CA it knows when the newest list was made that was ever taken, also while another CA's is
 * here, and takes none of that CA that is older; what comes beside it of other CAs counts. A list from the future, of a CA
 * whose clock was wrong, holds up none.
 */

/** Of so many CAs lists are taken from one URL. */
export const casPerUrlMax = 1_000;

/** What was taken from one URL. */
export class NewestLists {
  readonly #madeAt = new Map<string, Date>();

  /** Takes the lists, by CA, of those CAs of which no newer one was taken, and says what is wrong with the others, if any. */
  take<Lists extends { readonly made: Date }>(
    lists: ReadonlyMap<string, Lists>,
    now: Date,
  ): { taken: Map<string, Lists>; fault: string | null } {
    const taken = new Map(lists);
    let fault: string | null = null;
    for (const [ca, { made }] of lists) {
      const newest = this.#madeAt.get(ca);
      if (newest === undefined || made >= newest) continue;
      const [old, ours] = [made, newest].map((at) => at.toISOString());
      fault = `it is of ${old}, and older than one of the same CA that was taken, of ${ours}`;
      taken.delete(ca);
    }
    const begun = [...taken].filter(([, { made }]) => made <= now);
    const more = begun.filter(([ca]) => !this.#madeAt.has(ca)).length;
    if (this.#madeAt.size + more > casPerUrlMax)
      throw new Error(`it has lists of more than ${casPerUrlMax} CAs, together with those before it`);
    for (const [ca, { made }] of begun) this.#madeAt.set(ca, made);
    return { taken, fault };
  }
}
