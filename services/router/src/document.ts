/** The documents that the router owns, and their collections. */
import type { Destination, DestinationFront } from '@postern/contracts';
import {
  type Collection,
  type DocumentStep,
  type MigratedCollection,
  type Store,
  type StoredDocument,
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

/** The router's collections. */
export interface Documents {
  gateways: Collection<GatewayDocument>;
  destinations: Collection<DestinationDocument>;
  fronts: Collection<FrontDocument>;
}

/** What brings each collection's documents from one version to the next; nothing has changed yet. */
const steps = { gateways: [], destinations: [], fronts: [] } satisfies Record<
  keyof Documents,
  DocumentStep[]
>;

/** Makes the collections when they are missing, and brings their documents up to date. */
export async function openDocuments(store: Store): Promise<Documents> {
  const { gateways, destinations, fronts } = steps;
  const documents = {
    gateways: await store.collection<GatewayDocument>('gateways', { steps: gateways }),
    destinations: await store.collection<DestinationDocument>('destinations', {
      indexes: [['gatewayId']],
      steps: destinations,
    }),
    fronts: await store.collection<FrontDocument>('fronts', { steps: fronts }),
  };
  await migrate(store, { room: 'router', collections: ownedCollections(documents) });
  return documents;
}

/** The same by name, as migration and backup go through them. */
export function ownedCollections(documents: Documents): MigratedCollection[] {
  return (Object.keys(steps) as (keyof Documents)[]).map((name) => ({
    name,
    collection: documents[name] as unknown as Collection<StoredDocument>,
    steps: steps[name],
  }));
}
