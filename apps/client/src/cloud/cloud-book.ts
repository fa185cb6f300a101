/**
 * The gateway's cloud destinations as its nodes tell them. Of the lists of the open tunnels the newest counts, so that a
 * node which lags behind cannot bring back what was taken away. When the last tunnel is gone the last list stays.
 */
import type { CloudDestination } from '@postern/contracts';
import type { Session } from '@postern/tunnel';

interface SentList {
  readonly revision: number;
  readonly destinations: readonly CloudDestination[];
}

const nothing: SentList = { revision: -1, destinations: [] };

/** The lists of one gateway's tunnels. */
export class CloudBook {
  readonly #sent = new Map<Session, SentList>();
  #newest = nothing;

  /** The revision of the list that counts; -1 before there is one. */
  get revision(): number {
    return this.#newest.revision;
  }

  /** The destinations that count. */
  get destinations(): readonly CloudDestination[] {
    return this.#newest.destinations;
  }

  /** What the node at the other end of a tunnel sent. */
  set(session: Session, revision: number, destinations: readonly CloudDestination[]): void {
    this.#sent.set(session, { revision, destinations });
    this.#chooseNewest();
  }

  /** The tunnel is gone. */
  forget(session: Session): void {
    if (this.#sent.delete(session) && this.#sent.size > 0) this.#chooseNewest();
  }

  #chooseNewest(): void {
    let newest = nothing;
    for (const sent of this.#sent.values()) if (sent.revision > newest.revision) newest = sent;
    this.#newest = newest;
  }
}
