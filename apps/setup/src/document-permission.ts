/**
 * Whose documents are where. Each service that keeps documents has a database of its own, in which its user may read and
 * write, and no right in any other: MongoDB's own role `readWrite` says so, and a new collection needs no new right.
 */

/** The services that keep documents. */
export const documentServices = ['router', 'acl', 'certstore', 'admin'] as const;
/** One of them. */
export type DocumentService = (typeof documentServices)[number];

/** The database of a service; `prefix` is the one that the users are in. */
export function databaseOf(service: DocumentService, prefix: string): string {
  return `${prefix}_${service}`;
}

/** The user of a service, and its only role. */
export function userOf(service: DocumentService, prefix: string) {
  const role = { role: 'readWrite', db: databaseOf(service, prefix) };
  return { name: `postern-${service}`, roles: [role] };
}
