/**
 * What OpenSSL no longer believes in a chain, and node calls UNSPECIFIED only: keys that can be computed, signatures that
 * can be forged.
 */
import type { X509Certificate } from 'node:crypto';
import { keyWeakness } from './key.ts';
import { strangerText } from './stranger-text.ts';

/** Of OpenSSL's names; no SHA-1 is the beginning of SHA-128 or the like. */
const weakSignature = /md2|md5|sha1(?!\d)|sha-1/i;
/** A peer says how long its chain is. */
const chainMax = 16;

/** How the certificate is signed where that can be forged, as what is said of it; null where it cannot. */
export function signatureWeakness({ signatureAlgorithm }: X509Certificate): string | null {
  if (!weakSignature.test(signatureAlgorithm ?? '')) return null;
  return `is signed with ${signatureAlgorithm}, which can be forged: have it made anew with SHA-256`;
}

/** The first certificate of the chain, from the leaf up, that is too weak, with what is to be done; null where none is. */
export function chainWeakness(leaf: X509Certificate | undefined): string | null {
  let one = leaf;
  for (let left = chainMax; one !== undefined && left > 0; left -= 1) {
    const key = keyWeakness(one.publicKey);
    // A root's own signature proves nothing.
    const weakness: string | null =
      key === null ? (one.checkIssued(one) ? null : signatureWeakness(one)) : `has a weak key: ${key}`;
    if (weakness !== null) return `${strangerText(one.subject ?? '') || 'one without a subject'} ${weakness}`;
    one = one.issuerCertificate;
  }
  return null;
}
