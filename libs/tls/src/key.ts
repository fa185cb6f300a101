/**
 * Private keys as PKCS #8 PEM, which is the form in which they are stored, sealed and handed to node:tls. New keys are
 * ECDSA P-256: every TLS stack takes them, and signing is cheap.
 */
import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { TlsError } from './errors.ts';

const rsaBitsMin = 2048;
const curves = new Map([
  ['prime256v1', { name: 'P-256', hash: 'SHA-256' }],
  ['secp384r1', { name: 'P-384', hash: 'SHA-384' }],
  ['secp521r1', { name: 'P-521', hash: 'SHA-512' }],
]);

/** A new private key, PKCS #8 PEM. */
export async function generateKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/** Why a public key is too weak or of a kind that TLS does not take, or null. */
export function keyWeakness(key: KeyObject): string | null {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return null;
    case 'ec':
      return curves.has(details?.namedCurve ?? '')
        ? null
        : `the curve ${details?.namedCurve} is not P-256, P-384 or P-521`;
    case 'rsa':
    case 'rsa-pss':
      return (details?.modulusLength ?? 0) >= rsaBitsMin
        ? null
        : `an RSA key must have at least ${rsaBitsMin} bits`;
    default:
      return `keys of kind ${key.asymmetricKeyType} are not taken: use ECDSA P-256`;
  }
}

/** A short name of a key's kind: `ECDSA P-256`, `RSA 2048`, `Ed25519`. */
export function describeKey(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec')
    return `ECDSA ${curves.get(details?.namedCurve ?? '')?.name ?? details?.namedCurve}`;
  if (key.asymmetricKeyType === 'ed25519') return 'Ed25519';
  return `${(key.asymmetricKeyType ?? 'unknown').toUpperCase()} ${details?.modulusLength ?? ''}`.trim();
}

/** A key pair for signing with the certificate library. */
export interface SigningPair {
  keys: CryptoKeyPair;
  algorithm: { name: string; hash?: string };
}

type CryptoKeyPair = { privateKey: CryptoKey; publicKey: CryptoKey };
type CryptoKey = ReturnType<KeyObject['toCryptoKey']>;

/** Reads a PEM private key for signing. */
export function readSigningPair(keyPem: string): SigningPair {
  const privateKey = readPrivateKey(keyPem);
  const publicKey = createPublicKey(privateKey);
  const algorithm = signingAlgorithm(privateKey);
  return {
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    },
    algorithm,
  };
}

/** A private key from PEM; anything else is refused without a word of its text. */
export function readPrivateKey(keyPem: string): KeyObject {
  try {
    return createPrivateKey(keyPem);
  } catch (error) {
    throw new TlsError(
      'TLS_KEY_INVALID',
      'this is not a private key in PEM form (PKCS #8 without passphrase)',
      { cause: error },
    );
  }
}

function signingAlgorithm(key: KeyObject): { name: string; hash?: string; namedCurve?: string } {
  const curve = curves.get(key.asymmetricKeyDetails?.namedCurve ?? '');
  if (curve !== undefined) return { name: 'ECDSA', namedCurve: curve.name, hash: curve.hash };
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' };
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  throw new TlsError('TLS_KEY_WEAK', keyWeakness(key) ?? 'keys of this kind cannot sign certificates');
}
