/**
 * Signing requests (PKCS #10): whoever needs a certificate makes its key, and sends the request, never the key. Read
 * with a bound, and taken only when signed by their own key and when that key is strong enough.
 */
import { type KeyObject, createPublicKey } from 'node:crypto';
import { TlsError } from './errors.ts';
import { keyWeakness, readSigningPair } from './key.ts';
import { type Names, alternativeNames, subjectOf } from './name.ts';
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator, type PublicKey } from './x509.ts';

const requestLengthMax = 16_384;

/** A signing request in PEM for the holder of the key. */
export async function createSigningRequest(
  request: Names & { keyPem: string; commonName: string },
): Promise<string> {
  const { keys, algorithm } = readSigningPair(request.keyPem);
  const alternative = alternativeNames(request);
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: subjectOf(request.commonName),
    keys,
    signingAlgorithm: algorithm,
    extensions: alternative === null ? [] : [alternative],
  });
  return `${made.toString('pem').trimEnd()}\n`;
}

/** The key and subject of a request; throws TLS_REQUEST_INVALID or TLS_KEY_WEAK. */
export async function readSigningRequest(csrPem: string): Promise<{ publicKey: PublicKey; subject: string }> {
  const refuse = (why: string, cause?: unknown): TlsError =>
    new TlsError('TLS_REQUEST_INVALID', `the signing request is refused: ${why}`, { cause });
  if (csrPem.length > requestLengthMax) throw refuse(`it is longer than ${requestLengthMax} characters`);
  let request: Pkcs10CertificateRequest;
  let key: KeyObject;
  try {
    request = new Pkcs10CertificateRequest(csrPem);
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  } catch (error) {
    throw refuse('it is not a PKCS #10 request in PEM form', error);
  }
  const weakness = keyWeakness(key);
  if (weakness !== null) throw new TlsError('TLS_KEY_WEAK', `the signing request is refused: ${weakness}`);
  if (!(await isSignedByItself(request))) throw refuse('it is not signed by its own key');
  return { publicKey: request.publicKey, subject: request.subject };
}

async function isSignedByItself(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify();
  } catch {
    return false;
  }
}
