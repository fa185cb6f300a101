/**
 * Which collections are whose. A service's user may do what the store does (libs/store) with its own collections, and
 * nothing with any other; `source.test.ts` holds the table against the source.
 */

/** The services that keep documents. */
export const documentServices = ['router', 'acl', 'certstore', 'admin'] as const;
/** One of them. */
export type DocumentService = (typeof documentServices)[number];

/** The owned collections. */
export const ownCollections: Readonly<Record<DocumentService, readonly string[]>> = {
  router: [
    'gateways',
    'destinations',
    'fronts',
    'router_gateways_counter',
    'router_gateways_log',
    'router_routes_counter',
    'router_routes_log',
    'router_migration',
    'router_restore',
  ],
  acl: [
    'policies',
    'accessLists',
    'sourceRules',
    'tokens',
    'ticketKeys',
    'apiKeys',
    'acl_policies_counter',
    'acl_policies_log',
    'acl_migration',
    'acl_restore',
  ],
  certstore: [
    'certstore_authorities',
    'certstore_issued',
    'certstore_key_check',
    'certstore_certificates',
    'certstore_secrets',
    'certstore_expiry',
    'certstore_certificates_counter',
    'certstore_certificates_log',
    'certstore_migration',
    'certstore_restore',
  ],
  admin: ['admin_idempotency'],
};

/** What the store does with a collection. */
export const collectionActions = [
  'find',
  'insert',
  'update',
  'remove',
  'createCollection',
  'createIndex',
  'listIndexes',
] as const;

/** A role as MongoDB's `createRole` takes it. */
export function roleOf(service: DocumentService, database: string) {
  return {
    name: `postern-${service}`,
    privileges: ownCollections[service].map((collection) => ({
      resource: { db: database, collection },
      actions: [...collectionActions],
    })),
  };
}
