/** PEM texts as their parts. */
import { TlsError } from './errors.ts';

const chainLengthMax = 16;
const pemLengthMax = 256 * 1024;
const pemBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order; refuses more than a chain can have. */
export function splitChain(pem: string): string[] {
  if (pem.length > pemLengthMax) {
    throw new TlsError('TLS_CERTIFICATE_INVALID', `the PEM text is longer than ${pemLengthMax} characters`);
  }
  const blocks = pem.match(pemBlock) ?? [];
  if (blocks.length === 0)
    throw new TlsError('TLS_CERTIFICATE_INVALID', 'there is no certificate in this text (PEM)');
  if (blocks.length > chainLengthMax) {
    throw new TlsError(
      'TLS_CERTIFICATE_INVALID',
      `there are more than ${chainLengthMax} certificates in this text`,
    );
  }
  return blocks.map((block) => `${block}\n`);
}

/** The one that a chain begins with: OpenSSL would begin with what has another header, and another be verified than is believed. */
export function firstOf(pem: string): string {
  const [first = ''] = splitChain(pem);
  return first;
}
