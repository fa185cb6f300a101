/**
 * Reads uploaded files into certificates and private keys: PEM with any number of blocks in any order, DER, PKCS #12.
 * Node's own parsers read certificates and keys; what they cannot say (which kind a block is, whether a passphrase is
 * missing or wrong) is told here, one sentence for each fault. It judges nothing of what it read: `contents.ts` does.
 */
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto';
import type { CertificateContents } from '@postern/contracts';
import { decodeText } from '@postern/share';
import forge from 'node-forge';
import { readPkcs12 } from './pkcs12.ts';
import { UploadFault } from './upload-fault.ts';

const { asn1, util } = forge;

/** What the files hold. */
export interface UploadParts {
  certificates: X509Certificate[];
  keys: KeyObject[];
}

const certificatesMax = 32;
const keysMax = 4;
/** A second or two of OpenSSL's. */
const iterationsMax = 2 ** 21;
/** Of all numbers that say how a key is sealed, key lengths among them. */
const sealProductMax = 2 ** 26;
/** So many that the bounds above are told first, and few enough that a text without ends is searched quickly. */
const blocksMax = 64;
const pemBegin = '-----BEGIN ';
const pemBlock = /-----BEGIN ([^\r\n-]{1,64})-----([\s\S]*?)-----END ([^\r\n-]{1,64})-----/g;

const certificateLabels = new Set(['CERTIFICATE', 'X509 CERTIFICATE']);
const keyLabels = new Set(['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY', 'ENCRYPTED PRIVATE KEY']);
/** What openssl writes beside a key, and nobody needs. */
const ignoredLabels = new Set(['EC PARAMETERS']);
/** What people upload by mistake, and what they should do. */
const refusedLabels = new Map([
  ['CERTIFICATE REQUEST', 'a signing request: upload the certificate that the CA made of it'],
  ['NEW CERTIFICATE REQUEST', 'a signing request: upload the certificate that the CA made of it'],
  ['X509 CRL', 'a revocation list, not a certificate'],
  ['PUBLIC KEY', 'a public key: upload the private key'],
  ['RSA PUBLIC KEY', 'a public key: upload the private key'],
  ['OPENSSH PRIVATE KEY', 'a key in the form of OpenSSH: convert it with "ssh-keygen -p -m PKCS8"'],
  ['DSA PRIVATE KEY', 'a DSA key, which TLS no longer takes: use ECDSA P-256 or RSA 2048'],
  ['PKCS7', 'a PKCS #7 bundle: convert it with "openssl pkcs7 -print_certs"'],
  ['CMS', 'a PKCS #7 bundle: convert it with "openssl pkcs7 -print_certs"'],
  ['TRUSTED CERTIFICATE', 'a certificate with trust settings of OpenSSL: convert it with "openssl x509"'],
]);

/** Reads all files. Throws an `UploadFault` for the first that is wrong, which says which of several it is. */
export function readUpload({ files, passphrase }: CertificateContents): UploadParts {
  const all = files.map((file) => Buffer.from(file, 'base64'));
  const parts: UploadParts = { certificates: [], keys: [] };
  for (const [index, file] of all.entries()) {
    const place = all.length === 1 ? '' : `file ${index + 1} of ${all.length}: `;
    const { certificates, keys } = naming(place, () => readFile(file, passphrase));
    parts.certificates.push(...certificates);
    parts.keys.push(...keys);
  }
  if (parts.certificates.length > certificatesMax || parts.keys.length > keysMax) {
    throw new UploadFault(
      'CERTSTORE_TOO_LARGE',
      `there are more than ${certificatesMax} certificates or ${keysMax} keys in the files`,
    );
  }
  return parts;
}

function naming(place: string, read: () => UploadParts): UploadParts {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UploadFault)) throw error;
    throw new UploadFault(error.code, `${place}${error.message}`, { cause: error });
  }
}

function readFile(file: Buffer, passphrase: string | undefined): UploadParts {
  if (file.length === 0) throw new UploadFault('CERTSTORE_FILE_EMPTY', 'the file is empty');
  const text = pemText(file);
  if (text !== null) return readPem(text, passphrase);
  // DER, PKCS #12 and nothing else begins with a SEQUENCE.
  if (file[0] !== 0x30) {
    throw new UploadFault('CERTSTORE_FILE_UNKNOWN', 'the file is neither PEM nor DER nor PKCS #12');
  }
  return readDer(file, passphrase);
}

/** The file as text when it is PEM; windows editors write UTF-16 and byte order marks, JSON and variables `\\n`. */
function pemText(file: Buffer): string | null {
  const text = decodeText(file, 'latin1');
  return text.includes(pemBegin.trim()) ? text.replaceAll(/\\r|\\n/g, '\n') : null;
}

function readPem(text: string, passphrase: string | undefined): UploadParts {
  const parts: UploadParts = { certificates: [], keys: [] };
  const begins = text.split(pemBegin).length - 1;
  if (begins > blocksMax) {
    throw new UploadFault('CERTSTORE_TOO_LARGE', `there are more than ${blocksMax} PEM blocks in a file`);
  }
  let blocks = 0;
  for (const [, label = '', body = '', end] of text.matchAll(pemBlock)) {
    blocks += 1;
    if (label !== end) {
      throw new UploadFault(
        'CERTSTORE_PEM_INVALID',
        `a block begins as ${quoted(label)} and ends as ${quoted(end ?? '')}`,
      );
    }
    if (certificateLabels.has(label)) parts.certificates.push(readCertificate(body));
    else if (keyLabels.has(label)) parts.keys.push(readKeyBlock(label, body, passphrase));
    else if (!ignoredLabels.has(label)) throw refusedBlock(label);
  }
  if (blocks !== begins) {
    throw new UploadFault(
      'CERTSTORE_PEM_INVALID',
      'a PEM block has no end: the text was cut, or a line of dashes was changed',
    );
  }
  return parts;
}

function readCertificate(body: string): X509Certificate {
  const base64 = body.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw new UploadFault(
      'CERTSTORE_PEM_INVALID',
      'a CERTIFICATE block is not base64: it was cut or changed',
    );
  }
  try {
    return new X509Certificate(Buffer.from(base64, 'base64'));
  } catch (cause) {
    throw new UploadFault(
      'CERTSTORE_CERTIFICATE_INVALID',
      'a CERTIFICATE block holds no X.509 certificate: it was cut or changed',
      { cause },
    );
  }
}

function readKeyBlock(label: string, body: string, passphrase: string | undefined): KeyObject {
  const isSealed = label === 'ENCRYPTED PRIVATE KEY' || body.includes('Proc-Type: 4,ENCRYPTED');
  if (label === 'ENCRYPTED PRIVATE KEY') demandQuickSeal(Buffer.from(body.replaceAll(/\s/g, ''), 'base64'));
  const key = `-----BEGIN ${label}-----\n${inLines(body)}\n-----END ${label}-----\n`;
  return readKey(isSealed, passphrase, () =>
    createPrivateKey({ key, format: 'pem', ...(isSealed ? { passphrase: passphrase ?? '' } : {}) }),
  );
}

/** OpenSSL wants a key's lines without blanks and its base64 in short ones; files that were pasted somewhere have neither. */
function inLines(body: string): string {
  const lines = body.trim().split(/\s*\n\s*/);
  const hasHeaders = body.includes(':');
  return hasHeaders
    ? lines.join('\n').replace(/^(DEK-Info: .*)\n+/m, '$1\n\n')
    : (
        lines
          .join('')
          .replaceAll(/\s/g, '')
          .match(/.{1,64}/g) ?? []
      ).join('\n');
}

function readKey(isSealed: boolean, passphrase: string | undefined, read: () => KeyObject): KeyObject {
  if (isSealed && passphrase === undefined) {
    throw new UploadFault(
      'CERTSTORE_PASSPHRASE_MISSING',
      'the private key is encrypted: give its passphrase',
    );
  }
  try {
    return read();
  } catch (cause) {
    if (!isSealed) {
      throw unreadableKey(cause);
    }
    throw new UploadFault('CERTSTORE_PASSPHRASE_WRONG', 'the passphrase does not open the private key', {
      cause,
    });
  }
}

function unreadableKey(cause?: unknown): Error {
  return new UploadFault(
    'CERTSTORE_KEY_UNREADABLE',
    'the private key cannot be read: it was cut or changed, or is of a kind that is not known',
    { cause },
  );
}

function readDer(file: Buffer, passphrase: string | undefined): UploadParts {
  const certificate = attempt(() => new X509Certificate(file));
  if (certificate !== null) return { certificates: [certificate], keys: [] };
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    const key = attempt(() => createPrivateKey({ key: file, format: 'der', type }));
    if (key !== null) return { certificates: [], keys: [key] };
  }
  if (isSealedPkcs8(file)) {
    demandQuickSeal(file);
    const read = (): KeyObject =>
      createPrivateKey({ key: file, format: 'der', type: 'pkcs8', passphrase: passphrase ?? '' });
    return { certificates: [], keys: [readKey(true, passphrase, read)] };
  }
  if (isPkcs7(file)) {
    const told = 'the file holds a PKCS #7 bundle: convert it with "openssl pkcs7 -inform DER -print_certs"';
    throw new UploadFault('CERTSTORE_BLOCK_REFUSED', told);
  }
  return readPkcs12(file, passphrase);
}

/** SEQUENCE { OBJECT IDENTIFIER 1.2.840.113549.1.7.2, signedData. */
function isPkcs7(file: Buffer): boolean {
  const outer = contentAt(file, 0);
  return outer !== null && file.subarray(outer, outer + 11).toString('hex') === '06092a864886f70d010702';
}

/** EncryptedPrivateKeyInfo: SEQUENCE { SEQUENCE { OBJECT IDENTIFIER …; PKCS #12 begins with an INTEGER, 3. */
function isSealedPkcs8(file: Buffer): boolean {
  const outer = contentAt(file, 0);
  const inner = outer === null || file[outer] !== 0x30 ? null : contentAt(file, outer);
  // 1.2.840.113549.1.5 and 1.2.840.113549.1.12.1: passphrase-based encryption.
  const oid = inner === null ? '' : file.subarray(inner, inner + 11).toString('hex');
  return /^06..2a864886f70d01(05|0c01)/.test(oid);
}

/**
 * OpenSSL hashes a passphrase as often as the file says, and nothing can end it meanwhile. What it says stands as whole
 * numbers in the AlgorithmIdentifier: iterations, or the cost, block size and lanes of scrypt (RFC 8018, RFC 7914).
 */
function demandQuickSeal(file: Buffer): void {
  const numbers = attempt(() => {
    const bytes = util.createBuffer(file.toString('binary'));
    const [algorithm] = asn1.fromDer(bytes).value;
    return typeof algorithm === 'object' ? numbersIn(algorithm) : null;
  });
  if (numbers === null) throw unreadableKey();
  const product = numbers.reduce((sum, one) => sum * Math.max(1, one), 1);
  if (product <= sealProductMax && Math.max(0, ...numbers) <= iterationsMax) return;
  throw new UploadFault(
    'CERTSTORE_TOO_LARGE',
    'the private key is sealed with too many iterations: seal it with fewer (2048 is usual)',
  );
}

function numbersIn({ type, value }: forge.asn1.Asn1): number[] {
  if (typeof value !== 'string') return value.flatMap(numbersIn);
  if (type !== asn1.Type.INTEGER) return [];
  return [Number(`0x0${Buffer.from(value, 'binary').toString('hex')}`)];
}

/** Where the content of the element at `offset` begins. */
function contentAt(file: Buffer, offset: number): number | null {
  const length = file[offset + 1];
  if (length === undefined || length === 0x80) return null;
  return offset + 2 + (length < 0x80 ? 0 : length & 0x7f);
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function refusedBlock(label: string): Error {
  const what =
    refusedLabels.get(label) ?? `${quoted(label)}, which is neither a certificate nor a private key`;
  return new UploadFault('CERTSTORE_BLOCK_REFUSED', `the file holds ${what}`);
}

function quoted(label: string): string {
  return JSON.stringify(label.replaceAll(/[^\x20-\x7e]/g, '?'));
}
