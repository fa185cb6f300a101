/** What the router has backed up: all but the certificates that are being deleted just then, and what was deleted. */
import { type BackupSource, backupError } from '@postern/backup';
import type { StoredDocument } from '@postern/store';
import { Type, type TSchema } from 'typebox';
import type { DestinationDocument, Documents, FrontDocument } from './document.ts';
import { wholeFront } from './form.ts';
import { type FrontClaims, sharedPortsOf } from './front-claims.ts';
import type { RouterFeeds } from './journal.ts';

const textOrNull = Type.Union([Type.String(), Type.Null()]);
const place = { host: Type.String(), port: Type.Integer(), protocol: Type.String() };

/** The least that a document has. What came later has a default where it is read, so it is not asked for. */
const schemas: Record<Exclude<keyof Documents, 'released' | 'deleted'>, TSchema> = {
  gateways: Type.Object({ name: Type.String(), enabled: Type.Boolean(), requireToken: Type.Boolean() }),
  destinations: Type.Object({
    gatewayId: Type.String(),
    name: Type.String(),
    kind: Type.Union([Type.Literal('on-premises'), Type.Literal('cloud')]),
    enabled: Type.Boolean(),
    resource: Type.Object(place),
    front: Type.Optional(Type.Object(place)),
    clientPort: Type.Optional(Type.Integer()),
  }),
  fronts: Type.Object({
    port: Type.Integer(),
    gatewayId: Type.String(),
    destinationId: textOrNull,
    restsUntil: textOrNull,
  }),
};

/** The owner's side of it. */
export function backupSource(documents: Documents, feeds: RouterFeeds, claims: FrontClaims): BackupSource {
  const { released: _released, deleted: _deleted, ...kept } = documents;
  const collections = Object.values(kept).map((collection) => ({
    collection,
    restore: 'replace' as const,
    fills: collection.name === 'gateways',
    schema: schemas[collection.name as keyof typeof schemas],
    // A port that was given since is nobody else's at once: its callers would be another destination's.
    ...(collection.name === 'fronts'
      ? { left: (front: StoredDocument) => claims.rested(front as FrontDocument) }
      : {}),
  }));
  return {
    room: 'router',
    collections,
    feeds: [feeds.gateways, feeds.routes],
    check: async (contents) =>
      checkPlaces(
        (contents.get('destinations') ?? []) as DestinationDocument[],
        (contents.get('fronts') ?? []) as FrontDocument[],
        claims,
      ),
  };
}

/**
 * Where a front is depends on the shared ports. With others than those of the platform that was backed up, a destination
 * would be at a place that it does not hold, and that another may take: both would be called there, and neither answer.
 */
function checkPlaces(
  destinations: readonly DestinationDocument[],
  fronts: readonly FrontDocument[],
  claims: FrontClaims,
): void {
  const holders = new Map(fronts.map(({ id, destinationId }) => [id, destinationId]));
  for (const { id, name, front } of destinations) {
    if (front === undefined || holders.get(claims.documentIdOf(wholeFront(front))) === id) continue;
    const former = sharedPortsOf(fronts);
    const ports = (['tls', 'http'] as const).flatMap((by) => {
      const port = former.get(by);
      return port === undefined
        ? []
        : [`${port} as its ${by === 'tls' ? 'connect port' : 'port for plain HTTP'}`];
    });
    throw backupError(
      'BACKUP_PORTS_OTHER',
      `the destination ${name} does not hold ${front.host}:${front.port} by the shared ports of this platform. Start it with ` +
        `those of the platform that was backed up${ports.length === 0 ? '' : ` (${ports.join(', ')})`}, and restore again`,
    );
  }
}
