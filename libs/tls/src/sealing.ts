/**
 * Texts for one recipient: sealed to a public key (JWE, ECDH-ES with A256GCM), and signed, since a seal alone says
 * nothing of who made it. What is signed is the caller's business; it must name the recipient and the sealed text.
 * It loads no certificate library, so that small programs can use it.
 */
import { type KeyObject, X509Certificate, createPublicKey, sign, verify } from 'node:crypto';
import { CompactEncrypt, type JWK, calculateJwkThumbprint, compactDecrypt, importJWK } from 'jose';
import { TlsError } from './errors.ts';
import { readPrivateKey } from './key.ts';
import { firstOf, splitChain } from './pem.ts';

const algorithm = 'ECDH-ES';
const encryption = 'A256GCM';

/** The public key of a certificate (PEM, its first), as a JSON Web Key. */
export function certificateKey(certificatePem: string): JWK {
  return new X509Certificate(firstOf(certificatePem)).publicKey.export({ format: 'jwk' }) as JWK;
}

/** What a recipient is called: the thumbprint of its key (RFC 7638). */
export function keyThumbprint(key: JWK): Promise<string> {
  return calculateJwkThumbprint(key);
}

/** Seals a text to a P-256 or X25519 key. */
export async function sealText(key: JWK, text: string): Promise<string> {
  const recipient = await importJWK(key, algorithm);
  return new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg: algorithm, enc: encryption })
    .encrypt(recipient);
}

/** Opens what `sealText` made; throws `TLS_SEAL_BROKEN` when it was sealed to another key or changed. */
export async function openSealed(privateKey: KeyObject | string, sealed: string): Promise<string> {
  const key = typeof privateKey === 'string' ? readPrivateKey(privateKey) : privateKey;
  const own = await importJWK(key.export({ format: 'jwk' }) as JWK, algorithm);
  try {
    const options = { keyManagementAlgorithms: [algorithm], contentEncryptionAlgorithms: [encryption] };
    return Buffer.from((await compactDecrypt(sealed, own, options)).plaintext).toString('utf8');
  } catch (cause) {
    throw new TlsError(
      'TLS_SEAL_BROKEN',
      'what was sealed does not open: it was made for another key, or changed',
      {
        cause,
      },
    );
  }
}

/** A signature over a text by a private key (PEM), base64url. */
export function signText(keyPem: string, text: string): string {
  const key = readPrivateKey(keyPem);
  return sign(digestOf(key), Buffer.from(text), key).toString('base64url');
}

export { splitChain };

/** Whether the key of this certificate (PEM, its first), or this JSON Web Key, signed the text. */
export function isSignedText(by: string | JWK, text: string, signature: string): boolean {
  const key =
    typeof by === 'string'
      ? new X509Certificate(firstOf(by)).publicKey
      : createPublicKey({ key: by, format: 'jwk' });
  return verify(digestOf(key), Buffer.from(text), key, Buffer.from(signature, 'base64url'));
}

/** By whom and for what a signer is to be certified. */
interface Certified {
  /** The CA or CAs, PEM. */
  caPem: string;
  /** A DNS name that it must have; any where none is given. */
  name?: string;
  /** Now, where none is given. */
  at?: Date;
}

/** Throws a `TLS_…` error unless one of the CAs itself signed this certificate (PEM, its first), for this name, and it is valid. */
export function demandSigner(signerPem: string, { caPem, name, at = new Date() }: Certified): void {
  const signer = new X509Certificate(firstOf(signerPem));
  const isIssuer = (ca: X509Certificate): boolean =>
    ca.ca && signer.checkIssued(ca) && signer.verify(ca.publicKey);
  if (!splitChain(caPem).some((pem) => isIssuer(new X509Certificate(pem)))) {
    throw new TlsError('TLS_ISSUER_UNKNOWN', 'the signer is not certified by a CA that is believed here');
  }
  if (name !== undefined && signer.checkHost(name, { subject: 'never' }) === undefined) {
    throw new TlsError('TLS_NAME_MISMATCH', `the signer is not ${name}`);
  }
  if (at < signer.validFromDate || at > signer.validToDate) {
    throw new TlsError(
      'TLS_EXPIRED',
      'the certificate of the signer is not valid now: is the clock here right?',
    );
  }
}

function digestOf(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}
