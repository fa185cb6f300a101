/**
 * From one database for all services to one for each: what a platform that was set up before keeps in the former is moved,
 * each collection by one command of MongoDB's, so that a set-up that was broken off goes on where it ended. Nothing is
 * moved while a service may still write there: the caller has taken that right away before. The list is of the time of
 * the move and never grows.
 */
import type { MongoClient } from 'mongodb';
import { type DocumentService, databaseOf, documentServices } from './document-permission.ts';

const formerCollections: Readonly<Record<DocumentService, readonly string[]>> = {
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

/** Moves what is in the database `former`; `say` is told of each service that something was moved of. */
export async function moveDocuments(
  client: MongoClient,
  former: string,
  say: (words: string) => void,
): Promise<void> {
  const there = await client.db(former).listCollections({}, { nameOnly: true }).toArray();
  const names = new Set(there.map(({ name }) => name));
  for (const service of documentServices) {
    const own = formerCollections[service].filter((name) => names.has(name));
    const database = databaseOf(service, former);
    for (const name of own) {
      await client.db('admin').command({
        renameCollection: `${former}.${name}`,
        to: `${database}.${name}`,
        writeConcern: { w: 'majority' },
      });
    }
    if (own.length > 0) say(`${own.length} collections of ${service} were moved to the database ${database}`);
  }
}
