/**
 * What the nodes of a gateway's tunnels tell of one list, of which the newest counts that was ever told: a node that lags
 * behind cannot bring back what was taken away, nor can it when the tunnel of the one that told it has gone.
 *
 * A restored platform may have lists of lower revisions. It has another epoch, and epochs are in the order of time. Nodes of
 * the version before tell none; and where a store was put back by other means it stays the same: then a node that is
 * connected all the while tells an older list than it told itself, which is not so otherwise.
 */

/** Which of the versions of a list it is. */
export interface ListVersion {
  readonly epoch?: string | undefined;
  readonly revision: number;
}

/** The lists of one gateway, by the tunnel through which they came. */
export class NewestList<Tunnel, List extends ListVersion> {
  readonly #told = new Map<Tunnel, List>();
  readonly #nothing: List;
  #newest: List;

  constructor(nothing: List) {
    this.#nothing = nothing;
    this.#newest = nothing;
  }

  /** The one that counts. */
  get current(): List {
    return this.#newest;
  }

  /** The node at the other end of a tunnel told this one. */
  tell(tunnel: Tunnel, list: List): void {
    const before = this.#told.get(tunnel);
    this.#told.set(tunnel, list);
    if (before !== undefined && isNewer(before, list)) this.#newest = this.#nothing;
    for (const one of this.#told.values()) if (!isNewer(this.#newest, one)) this.#newest = one;
  }

  /** The tunnel has gone. */
  forget(tunnel: Tunnel): void {
    this.#told.delete(tunnel);
  }
}

function isNewer(one: ListVersion, other: ListVersion): boolean {
  const [epoch, otherEpoch] = [one.epoch ?? '', other.epoch ?? ''];
  if (epoch === otherEpoch || epoch === '' || otherEpoch === '') return one.revision > other.revision;
  return epoch > otherEpoch;
}
