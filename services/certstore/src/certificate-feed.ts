/** What followers of certstore are told of certificates: what they are good for, and no contents. */
import type { CertificateRecord } from '@postern/contracts';
import type { FeedSource } from '@postern/replica';
import type { CertificateDocument, Documents } from './document.ts';

/** The items of `certstore.certificates`. */
export function certificateSource({ certificates }: Documents): FeedSource<CertificateRecord> {
  return {
    read: async (ids) => {
      const all = await Promise.all(ids.map((id) => certificates.get(id)));
      return all.filter((document) => document !== null).map(recordOf);
    },
    list: async (cursor) => {
      const { items, nextCursor } = await certificates.list({ cursor, limit: 50 });
      return { items: items.map(recordOf), nextCursor };
    },
  };
}

function recordOf(document: CertificateDocument): CertificateRecord {
  const { id, revision, kind, subject, fingerprint, hasKey, notBefore, notAfter } = document;
  // The document's own: it grows with each change, and with a restore too, which brings back a former contentRevision.
  return { id, contentRevision: revision, kind, subject, fingerprint, hasKey, notBefore, notAfter };
}
