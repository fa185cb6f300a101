/** Whether a certificate does for what a destination wants of it, and what should be looked at though it does. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type CertificateUse, type CertificateWarning, expiryWarningDays } from '@postern/contracts';
import { openEnd } from './contents.ts';
import type { CertificateDocument } from '../document.ts';
import type { CertstoreCode } from '../errors.ts';

const dayMs = 86_400_000;

/** What is wrong. */
export interface Fault {
  readonly code: CertstoreCode;
  readonly message: string;
}

/** The first reason why the certificate does not do for this use; null when it does. */
export function misfitOf(
  document: CertificateDocument,
  { role, host }: { role: Exclude<CertificateUse['role'], 'password'>; host?: string },
): Fault | null {
  const name = JSON.stringify(document.name);
  if (role === 'ca') {
    const isSelfSigned = document.subject === document.issuer;
    return document.kind === 'ca' || isSelfSigned
      ? null
      : {
          code: 'CERTSTORE_NO_CA',
          message: `the certificate ${name} is no CA and did not sign itself, so nothing can be verified by it: give the CA that signed it`,
        };
  }
  if (!document.hasKey) {
    return {
      code: 'CERTSTORE_KEY_MISSING',
      message: `the certificate ${name} has no private key here: upload it with its key`,
    };
  }
  if (document.kind !== role && document.kind !== 'both') {
    return {
      code: 'CERTSTORE_USAGE_WRONG',
      message: `the certificate ${name} is not meant for a TLS ${role} (${document.kind === 'ca' ? 'it is a CA' : 'extended key usage'})`,
    };
  }
  if (host === undefined || role === 'client' || covers(document.chainPem, host)) return null;
  return {
    code: 'CERTSTORE_HOST_NOT_COVERED',
    message: `the certificate ${name} is for ${document.san.join(', ') || document.subject}, not for ${host}: use one that names it`,
  };
}

/** What should be looked at. */
export function warningsOf(document: CertificateDocument, now: Date): CertificateWarning[] {
  const warnings: CertificateWarning[] = [];
  const bound = expiryBound(document.notAfter, now);
  if (bound === 0) {
    const message = `it ended on ${document.notAfter}: replace it`;
    warnings.push({ code: 'CERTSTORE_EXPIRED', message });
  } else if (bound !== null) {
    const message = `it ends on ${document.notAfter}, in less than ${bound} ${bound === 1 ? 'day' : 'days'}: replace it`;
    warnings.push({ code: 'CERTSTORE_EXPIRES_SOON', message });
  }
  const open = document.kind === 'ca' ? null : openEnd(document.chainPem);
  if (open !== null) {
    const message = `the chain ends with ${open.top}; its issuer ${open.issuer} is not in it: whoever verifies must have it, so add it unless it is a root`;
    warnings.push({ code: 'CERTSTORE_CHAIN_OPEN', message });
  }
  return warnings;
}

/** The smallest of `expiryWarningDays` that has been passed, 0 when it has ended, null when there is time. */
export function expiryBound(notAfter: string, now: Date): number | null {
  const left = Date.parse(notAfter) - now.getTime();
  if (left <= 0) return 0;
  return expiryWarningDays.findLast((days) => left <= days * dayMs) ?? null;
}

function covers(chainPem: string, host: string): boolean {
  const leaf = new X509Certificate(chainPem);
  return (isIP(host) === 0 ? leaf.checkHost(host, { subject: 'never' }) : leaf.checkIP(host)) !== undefined;
}
