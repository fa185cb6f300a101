/** What should be looked at in the CAs by which a front or listener verifies its callers, all of them together. */
import type { X509Certificate } from 'node:crypto';
import type { CertificateWarning } from '@postern/contracts';
import { certificatesIn, issuerOf, subjectOf } from './contents.ts';

/** One of them, with the field that names it. */
export interface CallerCa {
  readonly path: string;
  readonly chainPem: string;
}

/** OpenSSL wants all CAs up to a root, also where the caller sends them: by an intermediate alone it lets nobody in. */
export function callerCaWarnings(cas: readonly CallerCa[]): (CertificateWarning & { path: string })[] {
  const all = cas.flatMap(({ path, chainPem }) => certificatesIn(chainPem).map((ca) => ({ path, ca })));
  const rooted = new Set<X509Certificate>(all.map(({ ca }) => ca).filter((ca) => ca.checkIssued(ca)));
  // What is added to a set meanwhile is gone through too.
  for (const above of rooted) {
    for (const { ca } of all) if (ca.issuer === above.subject && ca.checkIssued(above)) rooted.add(ca);
  }
  return all.flatMap(({ path, ca }) => {
    if (rooted.has(ca)) return [];
    const message = `nobody with a certificate of ${subjectOf(ca)} is let in: the CAs above it must be among the client CAs, up to the root, and ${issuerOf(ca)} is missing or has none`;
    return { path, code: 'CERTSTORE_CLIENT_CA_OPEN', message };
  });
}
