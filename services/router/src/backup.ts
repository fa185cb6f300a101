/** What the router has backed up: all but the certificates that are being deleted just then. */
import type { BackupSource } from '@postern/backup';
import { Type, type TSchema } from 'typebox';
import type { Documents } from './document.ts';
import type { RouterFeeds } from './journal.ts';

const textOrNull = Type.Union([Type.String(), Type.Null()]);
const place = { host: Type.String(), port: Type.Integer(), protocol: Type.String() };

/** The least that a document has. What came later has a default where it is read, so it is not asked for. */
const schemas: Record<Exclude<keyof Documents, 'released'>, TSchema> = {
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
export function backupSource(documents: Documents, feeds: RouterFeeds): BackupSource {
  const { released: _released, ...kept } = documents;
  const collections = Object.values(kept).map((collection) => ({
    collection,
    restore: 'replace' as const,
    fills: collection.name === 'gateways',
    schema: schemas[collection.name as keyof typeof schemas],
  }));
  return { room: 'router', collections, feeds: [feeds.gateways, feeds.routes] };
}
