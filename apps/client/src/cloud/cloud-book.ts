/** The gateway's cloud destinations as its nodes tell them; of the lists the newest counts (`NewestList`). */
import type { CloudDestination } from '@postern/contracts';
import type { Session } from '@postern/tunnel';
import { type ListVersion, NewestList } from '../newest-list.ts';

/** The list as a node tells it. */
export interface ToldDestinations extends ListVersion {
  readonly destinations: readonly CloudDestination[];
}

/** The lists of one gateway's tunnels. */
export class CloudBook {
  readonly #told = new NewestList<Session, ToldDestinations>({ revision: -1, destinations: [] });

  /** The revision of the list that counts; -1 before there is one. */
  get revision(): number {
    return this.#told.current.revision;
  }

  /** The destinations that count. */
  get destinations(): readonly CloudDestination[] {
    return this.#told.current.destinations;
  }

  /** What the node at the other end of a tunnel told. */
  set(session: Session, { epoch, revision, destinations }: ToldDestinations): void {
    this.#told.tell(session, { epoch, revision, destinations });
  }

  /** The tunnel is gone. */
  forget(session: Session): void {
    this.#told.forget(session);
  }
}
