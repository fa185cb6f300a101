/** The documents that the router owns, and their collections. */
import type { Destination, DestinationFront, DestinationListener } from '@postern/contracts';
import {
  type Collection,
  type MigrationWatch,
  type Store,
  StoreError,
  type StoredDocument,
  every,
  migrate,
} from '@postern/store';

/** A stored gateway. */
export interface GatewayDocument {
  id: string;
  revision: number;
  createdAt: string;
  modifiedAt: string;
  name: string;
  description: string;
  enabled: boolean;
  requireToken: boolean;
}

/** A stored destination: as it is shown, but for the front's URL, which is made from the rest. */
export type DestinationDocument = Omit<Destination, 'front' | 'warnings'> & { front?: DestinationFront };

/** What a gateway says, without what the router adds. */
export type GatewayForm = Pick<GatewayDocument, 'name' | 'description' | 'enabled' | 'requireToken'>;

/** What a front says; of its host and port, what is wanted. */
export type FrontForm = Pick<
  DestinationFront,
  'protocol' | 'tls' | 'proxyProtocol' | 'proxyProtocolFacts'
> & {
  host: string | null;
  port: number | null;
};

/** What a destination says, without what the router adds. It has a front, or `clientPort` and `listener` in its place. */
export type DestinationForm = Pick<DestinationDocument, 'name' | 'kind' | 'enabled' | 'resource' | 'health'> &
  (
    | { kind: 'on-premises'; front: FrontForm }
    | { kind: 'cloud'; clientPort: number; listener: DestinationListener }
  );

/**
 * A front that is held or rests. Its ID is what makes it unique: `tcp:15000` or `udp:15000` for a port that one
 * destination holds alone, `tls:443:a.example` for a name on a port that names tell apart. While it rests, `destinationId` is null and
 * `restsUntil` says how long.
 */
export interface FrontDocument {
  id: string;
  revision: number;
  port: number;
  gatewayId: string;
  destinationId: string | null;
  restsUntil: string | null;
}

/** A certificate that certstore is deleting, or a gateway or destination that was deleted; its ID is the thing's. */
export interface DatedDocument {
  id: string;
  revision: number;
  at: string;
}

/**
 * `deletion` is which ones released the certificate and count on that; null where one of them did not say which it is. The
 * version before has a text here where it was one alone.
 */
export interface ReleasedDocument extends DatedDocument {
  deletion?: readonly string[] | string | null;
}

/** The router's collections. */
export interface Documents {
  gateways: Collection<GatewayDocument>;
  destinations: Collection<DestinationDocument>;
  fronts: Collection<FrontDocument>;
  released: Collection<ReleasedDocument>;
  deleted: Collection<DatedDocument>;
}

/** Makes the collections when they are missing, and brings their documents up to date. */
export async function openDocuments(store: Store, options: MigrationWatch = {}): Promise<Documents> {
  const documents = {
    gateways: await store.collection<GatewayDocument>('gateways'),
    destinations: await store.collection<DestinationDocument>('destinations', {
      indexes: [['gatewayId'], ['front.host']],
    }),
    fronts: await store.collection<FrontDocument>('fronts', { indexes: [['gatewayId']] }),
    released: await store.collection<ReleasedDocument>('releasedCertificates'),
    deleted: await store.collection<DatedDocument>('deleted'),
  };
  await migrate(store, { room: 'router', collections: Object.values(documents), ...options });
  return documents;
}

/** Deletes those that are dated no later than that. */
export async function forgetUntil<T extends DatedDocument>(
  collection: Collection<T>,
  timeMs: number,
): Promise<void> {
  for await (const one of every(collection))
    if (Date.parse(one.at) <= timeMs) await deleteUnchanged(collection, one);
}

/** Deletes a document that is over, unless it was changed since it was read; returns whether it did. */
export async function deleteUnchanged<T extends StoredDocument>(
  collection: Collection<T>,
  { id, revision }: T,
): Promise<boolean> {
  try {
    return await collection.delete(id, revision);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'STORE_STALE') return false;
    throw error;
  }
}
