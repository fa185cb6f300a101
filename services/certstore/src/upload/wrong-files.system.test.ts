// Fifty wrong files, each with the sentence that its operator is told. Files are made here, by Node and by openssl.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ServiceError, createCertificate, updateCertificate } from '@postern/contracts';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { readContents } from './contents.ts';
import { UploadReader, readingMsMax } from './upload-reader.ts';
import { UploadFault } from './upload-fault.ts';
import { type UploadParts, readUpload } from './upload.ts';

const dayMs = 86_400_000;
let folder: string;

interface Pair {
  pem: string;
  keyPem: string;
}

/** Everything that the table is made of. */
interface Made {
  rsa: Pair;
  other: Pair;
  rootPem: string;
  rootKeyPem: string;
  intermediatePem: string;
  deepLeaf: Pair;
  client: Pair;
  sealedPkcs8: string;
  sealedPkcs1: string;
  p12: Buffer;
  /** Iterations enough for half a minute in JavaScript. */
  slowP12: Buffer;
  /** With more iterations than anybody waits for. */
  slowPkcs8: string;
  legacyP12: Buffer;
  pss: Pair;
}

let made: Made;

/** Runs it with these words, and with arguments that may have spaces. */
function openssl(words: string, ...args: string[]): Buffer {
  return execFileSync('openssl', [...words.split(' '), ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const file = (name: string): string => join(folder, name);
const text = (name: string): string => readFileSync(file(name), 'utf8');
const write = (name: string, contents: string | Buffer): void => writeFileSync(file(name), contents);

/** A certificate that signed itself, by openssl. */
function selfSigned(name: string, ...args: string[]): Pair {
  openssl(`req -x509 -nodes -keyout ${name}.key -out ${name}.pem -subj /CN=${name}`, ...args);
  return { pem: text(`${name}.pem`), keyPem: text(`${name}.key`) };
}

function sealedWith(passphrase: string, ...args: string[]): Buffer {
  const pair = 'pkcs12 -export -in other.pem -inkey other.key -passout';
  return openssl(pair, `pass:${passphrase}`, ...args);
}

/** As CAs make them that put nothing into the subject any more. */
function nameless(): Files {
  openssl(
    'req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout bare.key -out bare.csr -subj /',
  );
  write('bare.cnf', 'basicConstraints=CA:FALSE\nsubjectAltName=critical,DNS:bare.example');
  openssl(
    'x509 -req -in bare.csr -CA middle.pem -CAkey middle.key -CAcreateserial -extfile bare.cnf -out bare.pem',
  );
  return [text('bare.pem'), text('bare.key')];
}

function signed(name: string, by: { ca: string; key: string }, config: string, ...args: string[]): Pair {
  write(`${name}.cnf`, config);
  const newKey = `-newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout ${name}.key`;
  openssl(`req -new -nodes ${newKey} -out ${name}.csr -subj /CN=${name}`);
  const signer = `-CA ${by.ca} -CAkey ${by.key} -CAcreateserial`;
  openssl(`x509 -req -in ${name}.csr ${signer} -out ${name}.pem -extfile ${name}.cnf -days 30`, ...args);
  return { pem: text(`${name}.pem`), keyPem: text(`${name}.key`) };
}

const leafConfig = 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:leaf.example';
const leafOnly = ['-addext', 'basicConstraints=critical,CA:FALSE'];
const caConfig = 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign';

async function issued(notBefore: Date, notAfter: Date): Promise<Pair> {
  const ca = loadAuthority({ keyPem: made.rootKeyPem, certificatePem: made.rootPem });
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: 'dated.example' });
  const pem = await ca.issue({ csrPem, names: ['dated.example'], usage: 'server', notBefore, notAfter });
  return { pem, keyPem };
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-wrong-'));
  const root = await createAuthority({ commonName: 'Root' });
  write('root.pem', root.certificatePem);
  write('root.key', root.keyPem);
  const first = selfSigned(
    'first',
    '-newkey',
    'rsa:2048',
    '-days',
    '30',
    '-addext',
    'subjectAltName=DNS:first.example',
  );
  const top = selfSigned('top', '-newkey', 'rsa:2048', '-days', '90');
  write('top-ca.pem', top.pem);
  write('top-ca.key', top.keyPem);
  const middle = signed('middle', { ca: 'top-ca.pem', key: 'top-ca.key' }, caConfig);
  const deepLeaf = signed('deep', { ca: 'middle.pem', key: 'middle.key' }, leafConfig);
  const other = signed('other', { ca: 'middle.pem', key: 'middle.key' }, leafConfig);
  const client = signed(
    'client',
    { ca: 'middle.pem', key: 'middle.key' },
    `${leafConfig}\nextendedKeyUsage=codeSigning`,
  );
  const key = createPrivateKey(other.keyPem);
  const sealed = { cipher: 'aes-256-cbc', passphrase: 'right' } as const;
  const pkcs1 = createPrivateKey(first.keyPem).export({ type: 'pkcs1', format: 'pem', ...sealed });
  const exported = 'pkcs12 -export -in other.pem -inkey other.key -passout pass:right';
  openssl(`${exported} -out other.p12`);
  openssl(`${exported} -out slow.p12 -iter 1000000`);
  openssl('pkcs8 -topk8 -in other.key -out slow.pem -passout pass:right -iter 2100000');
  openssl(`${exported} -out legacy.p12 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1`);
  openssl('pkcs8 -topk8 -v1 PBE-SHA1-3DES -in other.key -outform DER -out old.der -passout pass:right');
  const pss = selfSigned('pss', '-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048', ...leafOnly);
  made = {
    pss,
    rsa: first,
    other,
    rootPem: root.certificatePem,
    rootKeyPem: root.keyPem,
    intermediatePem: middle.pem,
    deepLeaf,
    client,
    sealedPkcs8: key.export({ type: 'pkcs8', format: 'pem', ...sealed }),
    sealedPkcs1: pkcs1,
    p12: readFileSync(file('other.p12')),
    slowP12: readFileSync(file('slow.p12')),
    slowPkcs8: text('slow.pem'),
    legacyP12: readFileSync(file('legacy.p12')),
  };
});
after(() => rmSync(folder, { recursive: true, force: true }));

type Files = (string | Buffer)[];

/** One wrong upload. */
interface Wrong {
  readonly what: string;
  readonly files: () => Files | Promise<Files>;
  readonly passphrase?: string;
  readonly code: string;
  /** The whole sentence. */
  readonly says: string | RegExp;
}

const der = (pem: string): Buffer => new X509Certificate(pem).raw;
const keyDer = (pem: string): Buffer => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
const curved = (namedCurve: string): Pair =>
  selfSigned(
    `on-${namedCurve}`,
    '-newkey',
    'ec',
    '-pkeyopt',
    `ec_paramgen_curve:${namedCurve}`,
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  );
const weakly = (digest: string): Pair => {
  return signed(`by-${digest}`, { ca: 'top-ca.pem', key: 'top-ca.key' }, leafConfig, `-${digest}`);
};
const broken = (pem: string): string => pem.replace(/(\n.{20})./, (_all, start: string) => `${start}!`);
const requestPem = (): Promise<string> =>
  generateKey().then((keyPem) => createSigningRequest({ keyPem, commonName: 'x' }));
const ssh = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n';
const block = (label: string, body = 'AAAA'): string =>
  `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
const noBytes = 'a\x00b';

const table: Wrong[] = [
  { what: 'an empty file', files: () => [''], code: 'CERTSTORE_FILE_EMPTY', says: 'the file is empty' },
  {
    what: 'a text',
    files: () => ['hello'],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file is neither PEM nor DER nor PKCS #12',
  },
  {
    what: 'a PKCS #7 bundle in DER',
    files: () => [openssl('crl2pkcs7 -nocrl -certfile other.pem -outform DER')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a PKCS #7 bundle: convert it with "openssl pkcs7 -inform DER -print_certs"',
  },
  {
    what: 'an image',
    files: () => [Buffer.from('89504e470d0a1a0a', 'hex')],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file is neither PEM nor DER nor PKCS #12',
  },
  {
    what: 'a zip',
    files: () => [Buffer.from('504b0304', 'hex')],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file is neither PEM nor DER nor PKCS #12',
  },
  {
    what: 'bytes of nothing',
    files: () => [Buffer.from(noBytes)],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file is neither PEM nor DER nor PKCS #12',
  },
  {
    what: 'DER of something else',
    files: () => [Buffer.from('3003020105', 'hex')],
    code: 'CERTSTORE_P12_INVALID',
    says: 'the file is DER, but no certificate, no private key and no PKCS #12 that can be read',
  },
  {
    what: 'a DER certificate cut short',
    files: () => [der(made.other.pem).subarray(0, 200)],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file begins like DER and is no certificate, no private key and no PKCS #12: it was cut or changed',
  },
  {
    what: 'a DER key cut short',
    files: () => [keyDer(made.other.keyPem).subarray(0, 60)],
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file begins like DER and is no certificate, no private key and no PKCS #12: it was cut or changed',
  },
  {
    what: 'a PEM without its end',
    files: () => [made.other.pem.replace(/-----END.*/, '')],
    code: 'CERTSTORE_PEM_INVALID',
    says: 'a PEM block has no end: the text was cut, or a line of dashes was changed',
  },
  {
    what: 'a PEM whose dashes were changed',
    files: () => [made.other.pem.replace('-----END', '----END')],
    code: 'CERTSTORE_PEM_INVALID',
    says: 'a PEM block has no end: the text was cut, or a line of dashes was changed',
  },
  {
    what: 'a PEM with a stray character',
    files: () => [broken(made.other.pem)],
    code: 'CERTSTORE_PEM_INVALID',
    says: 'a CERTIFICATE block is not base64: it was cut or changed',
  },
  {
    what: 'a PEM that ends as something else',
    files: () => [made.other.pem.replace('END CERTIFICATE', 'END PRIVATE KEY')],
    code: 'CERTSTORE_PEM_INVALID',
    says: 'a block begins as "CERTIFICATE" and ends as "PRIVATE KEY"',
  },
  {
    what: 'a CERTIFICATE block of other bytes',
    files: () => [block('CERTIFICATE')],
    code: 'CERTSTORE_CERTIFICATE_INVALID',
    says: 'a CERTIFICATE block holds no X.509 certificate: it was cut or changed',
  },
  {
    what: 'a CERTIFICATE block that holds a key',
    files: () => [block('CERTIFICATE', keyDer(made.other.keyPem).toString('base64'))],
    code: 'CERTSTORE_CERTIFICATE_INVALID',
    says: 'a CERTIFICATE block holds no X.509 certificate: it was cut or changed',
  },
  {
    what: 'a signing request',
    files: async () => [await requestPem()],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a signing request: upload the certificate that the CA made of it',
  },
  {
    what: 'a revocation list',
    files: () => [block('X509 CRL')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a revocation list, not a certificate',
  },
  {
    what: 'a public key',
    files: () => [block('PUBLIC KEY')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a public key: upload the private key',
  },
  {
    what: 'an OpenSSH key',
    files: () => [made.other.pem, ssh],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'file 2 of 2: the file holds a key in the form of OpenSSH: convert it with "ssh-keygen -p -m PKCS8"',
  },
  {
    what: 'a DSA key',
    files: () => [block('DSA PRIVATE KEY')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a DSA key, which TLS no longer takes: use ECDSA P-256 or RSA 2048',
  },
  {
    what: 'a PKCS #7 bundle',
    files: () => [block('PKCS7')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a PKCS #7 bundle: convert it with "openssl pkcs7 -print_certs"',
  },
  {
    what: 'a trusted certificate of OpenSSL',
    files: () => [block('TRUSTED CERTIFICATE')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds a certificate with trust settings of OpenSSL: convert it with "openssl x509"',
  },
  {
    what: 'a PGP key',
    files: () => [block('PGP PUBLIC KEY BLOCK')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds "PGP PUBLIC KEY BLOCK", which is neither a certificate nor a private key',
  },
  {
    what: 'an encrypted PKCS #8 key without passphrase',
    files: () => [made.other.pem, made.sealedPkcs8],
    code: 'CERTSTORE_PASSPHRASE_MISSING',
    says: 'file 2 of 2: the private key is encrypted: give its passphrase',
  },
  {
    what: 'an encrypted PKCS #8 key with a wrong passphrase',
    files: () => [made.other.pem, made.sealedPkcs8],
    passphrase: 'wrong',
    code: 'CERTSTORE_PASSPHRASE_WRONG',
    says: 'file 2 of 2: the passphrase does not open the private key',
  },
  {
    what: 'an encrypted PKCS #1 key without passphrase',
    files: () => [made.rsa.pem, made.sealedPkcs1],
    code: 'CERTSTORE_PASSPHRASE_MISSING',
    says: 'file 2 of 2: the private key is encrypted: give its passphrase',
  },
  {
    what: 'an encrypted PKCS #1 key with a wrong passphrase',
    files: () => [made.rsa.pem, made.sealedPkcs1],
    passphrase: 'wrong',
    code: 'CERTSTORE_PASSPHRASE_WRONG',
    says: 'file 2 of 2: the passphrase does not open the private key',
  },
  {
    what: 'an encrypted DER key without passphrase',
    files: () => [made.other.pem, pemDer(made.sealedPkcs8)],
    code: 'CERTSTORE_PASSPHRASE_MISSING',
    says: 'file 2 of 2: the private key is encrypted: give its passphrase',
  },
  {
    what: 'an encrypted DER key with a wrong passphrase',
    files: () => [made.other.pem, pemDer(made.sealedPkcs8)],
    passphrase: 'wrong',
    code: 'CERTSTORE_PASSPHRASE_WRONG',
    says: 'file 2 of 2: the passphrase does not open the private key',
  },
  {
    what: 'a P12 without passphrase',
    files: () => [made.p12],
    code: 'CERTSTORE_PASSPHRASE_MISSING',
    says: 'the PKCS #12 file is encrypted: give its passphrase',
  },
  {
    what: 'a P12 with a wrong passphrase',
    files: () => [made.p12],
    passphrase: 'wrong',
    code: 'CERTSTORE_PASSPHRASE_WRONG',
    says: 'the passphrase does not open the PKCS #12 file',
  },
  {
    what: 'an old P12 with a wrong passphrase',
    files: () => [made.legacyP12],
    passphrase: 'wrong',
    code: 'CERTSTORE_PASSPHRASE_WRONG',
    says: 'the passphrase does not open the PKCS #12 file',
  },
  {
    what: 'a P12 cut short',
    files: () => [made.p12.subarray(0, 300)],
    passphrase: 'right',
    code: 'CERTSTORE_FILE_UNKNOWN',
    says: 'the file begins like DER and is no certificate, no private key and no PKCS #12: it was cut or changed',
  },
  {
    what: 'a private key of other bytes',
    files: () => [made.other.pem, block('PRIVATE KEY')],
    code: 'CERTSTORE_KEY_UNREADABLE',
    says: 'file 2 of 2: the private key cannot be read: it was cut or changed, or is of a kind that is not known',
  },
  {
    what: 'a private key with a stray character',
    files: () => [made.other.pem, broken(made.other.keyPem)],
    code: 'CERTSTORE_KEY_UNREADABLE',
    says: 'file 2 of 2: the private key cannot be read: it was cut or changed, or is of a kind that is not known',
  },
  {
    what: 'two private keys',
    files: () => [made.other.pem, made.other.keyPem, made.deepLeaf.keyPem],
    code: 'CERTSTORE_KEYS_SEVERAL',
    says: 'there are 2 private keys: upload each with its own certificate',
  },
  {
    what: 'a key without certificate',
    files: () => [made.other.keyPem],
    code: 'CERTSTORE_CERTIFICATE_MISSING',
    says: 'there is a private key but no certificate',
  },
  {
    what: 'curve parameters and nothing else',
    files: () => [block('EC PARAMETERS')],
    code: 'CERTSTORE_CERTIFICATE_MISSING',
    says: 'there is no certificate in what was uploaded',
  },
  {
    what: 'the key of another certificate',
    files: () => [made.other.pem, made.deepLeaf.keyPem],
    code: 'CERTSTORE_KEY_MISMATCH',
    says: 'the private key is not that of CN=other: upload the key that it was made with',
  },
  {
    what: 'the key of another kind',
    files: () => [made.other.pem, made.rsa.keyPem],
    code: 'CERTSTORE_KEY_MISMATCH',
    says: 'the private key is not that of CN=other: upload the key that it was made with',
  },
  {
    what: 'the key of the CA with a leaf of another',
    files: () => [made.rootPem, made.other.keyPem],
    code: 'CERTSTORE_KEY_MISMATCH',
    says: 'the private key is not that of CN=Root: upload the key that it was made with',
  },
  {
    what: 'two leaves without a key',
    files: () => [made.other.pem, made.deepLeaf.pem],
    code: 'CERTSTORE_LEAVES_SEVERAL',
    says: 'there are 2 certificates that are no CA (CN=other, CN=deep): upload each by itself, with its chain',
  },
  {
    what: 'a chain with a gap',
    files: () => [made.deepLeaf.pem, made.deepLeaf.keyPem, text('top-ca.pem')],
    code: 'CERTSTORE_CHAIN_BROKEN',
    says: 'the chain has a gap: CN=deep was signed by CN=middle, which is not there, and CN=top does not belong in between',
  },
  {
    what: 'a stranger in the chain',
    files: () => [made.deepLeaf.pem, made.deepLeaf.keyPem, made.intermediatePem, made.rootPem],
    code: 'CERTSTORE_CHAIN_BROKEN',
    says: 'the chain has a gap: CN=middle was signed by CN=top, which is not there, and CN=Root does not belong in between',
  },
  {
    what: 'a stranger beside a chain up to its root',
    files: () => [
      made.deepLeaf.pem,
      made.deepLeaf.keyPem,
      made.intermediatePem,
      text('top-ca.pem'),
      made.rootPem,
    ],
    code: 'CERTSTORE_CHAIN_BROKEN',
    says: 'the chain ends with CN=top, and CN=Root does not belong to it: leave that out',
  },
  {
    what: 'an RSA key of 1024 bits',
    files: () => Object.values(selfSigned('small', '-newkey', 'rsa:1024', '-days', '9')),
    code: 'CERTSTORE_KEY_WEAK',
    says: 'CN=small cannot be used: an RSA key must have at least 2048 bits',
  },
  {
    what: 'a key on secp256k1',
    files: () => Object.values(curved('secp256k1')),
    code: 'CERTSTORE_KEY_WEAK',
    says: 'CN=on-secp256k1 cannot be used: the curve secp256k1 is not P-256, P-384 or P-521',
  },
  {
    what: 'a key on P-224',
    files: () => Object.values(curved('secp224r1')),
    code: 'CERTSTORE_KEY_WEAK',
    says: 'CN=on-secp224r1 cannot be used: the curve secp224r1 is not P-256, P-384 or P-521',
  },
  {
    what: 'a signature with MD5',
    files: () => Object.values(weakly('md5')),
    code: 'CERTSTORE_SIGNATURE_WEAK',
    says: 'CN=by-md5 is signed with md5WithRSAEncryption, which can be forged: have it made anew with SHA-256',
  },
  {
    what: 'a signature with SHA-1',
    files: () => Object.values(weakly('sha1')),
    code: 'CERTSTORE_SIGNATURE_WEAK',
    says: 'CN=by-sha1 is signed with sha1WithRSAEncryption, which can be forged: have it made anew with SHA-256',
  },
  {
    what: 'a certificate that has ended',
    files: async () =>
      Object.values(await issued(new Date(Date.now() - 9 * dayMs), new Date(Date.now() - dayMs))),
    code: 'CERTSTORE_EXPIRED',
    says: /^CN=dated\.example ended on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/,
  },
  {
    what: 'a certificate of the future',
    files: async () =>
      Object.values(await issued(new Date(Date.now() + dayMs), new Date(Date.now() + 9 * dayMs))),
    code: 'CERTSTORE_NOT_YET_VALID',
    says: /^CN=dated\.example is valid from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z only$/,
  },
  {
    what: 'a certificate for signing code',
    files: () => Object.values(made.client),
    code: 'CERTSTORE_USAGE_WRONG',
    says: 'CN=client is meant neither for TLS servers nor for TLS clients (extended key usage)',
  },
  {
    what: 'a chain by a CA of the right name and another key',
    files: () => {
      selfSigned('middle-again', '-newkey', 'rsa:2048', '-days', '9', '-subj', '/CN=middle');
      return [made.deepLeaf.pem, made.deepLeaf.keyPem, text('middle-again.pem')];
    },
    code: 'CERTSTORE_CHAIN_BROKEN',
    says: 'the chain has a gap: CN=deep was signed by CN=middle, and the certificate of that name that is there has another key: give the one that signed it',
  },
  {
    what: 'a chain above which is no CA',
    files: () => {
      const leaf = signed('by-leaf', { ca: 'other.pem', key: 'other.key' }, leafConfig);
      return [leaf.pem, leaf.keyPem, made.other.pem];
    },
    code: 'CERTSTORE_CHAIN_BROKEN',
    says: 'CN=other signed a certificate but is no CA',
  },
  {
    what: 'a certificate that signed itself with SHA-1 and is no CA',
    files: () => {
      const config = ['-addext', 'basicConstraints=critical,CA:FALSE'];
      return Object.values(selfSigned('old', '-newkey', 'rsa:2048', '-sha1', '-days', '9', ...config));
    },
    code: 'CERTSTORE_SIGNATURE_WEAK',
    says: 'CN=old is signed with sha1WithRSAEncryption, which can be forged: have it made anew with SHA-256',
  },
  {
    what: 'more keys than anybody has',
    files: () => [made.other.pem, made.other.keyPem.repeat(5)],
    code: 'CERTSTORE_TOO_LARGE',
    says: 'there are more than 32 certificates or 4 keys in the files',
  },
  {
    what: 'more blocks than are read',
    files: () => [made.other.pem + block('EC PARAMETERS').repeat(64)],
    code: 'CERTSTORE_TOO_LARGE',
    says: 'there are more than 64 PEM blocks in a file',
  },
  {
    what: 'a block whose name is not for a terminal',
    files: () => [block('A\u0007B')],
    code: 'CERTSTORE_BLOCK_REFUSED',
    says: 'the file holds "A?B", which is neither a certificate nor a private key',
  },
  {
    what: 'more certificates than a chain can have',
    files: () => [made.rootPem.repeat(33)],
    code: 'CERTSTORE_TOO_LARGE',
    says: 'there are more than 32 certificates or 4 keys in the files',
  },
];

function pemDer(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64');
}

function read(files: Files, passphrase?: string): ReturnType<typeof readContents> {
  const encoded = files.map((one) => Buffer.from(one).toString('base64'));
  return readContents(
    readUpload({ files: encoded, ...(passphrase === undefined ? {} : { passphrase }) }),
    new Date(),
  );
}

describe('what is wrong with an upload is told in one sentence:', () => {
  it('there are at least fifty kinds', () => assert(table.length >= 50, String(table.length)));

  for (const { what, files, passphrase, code, says } of table) {
    it(`${what}: ${code}`, async () => {
      const given = await files();
      assert.throws(
        () => read(given, passphrase),
        (error) => {
          assert(error instanceof UploadFault || error instanceof ServiceError, String(error));
          assert.equal(error.code, code, error.message);
          if (typeof says === 'string') assert.equal(error.message, says);
          else assert.match(error.message, says);
          return true;
        },
      );
    });
  }
});

it('of several files it is told which one is at fault', () => {
  const upload = (...files: string[]): unknown =>
    readUpload({ files: files.map((one) => Buffer.from(one).toString('base64')) });
  const { pem, keyPem } = made.other;
  const message = 'file 2 of 3: the file is empty';
  assert.throws(() => upload(pem, '', keyPem), { code: 'CERTSTORE_FILE_EMPTY', message });
  assert.throws(() => upload(pem, keyPem, 'hello'), { message: /^file 3 of 3: the file is neither PEM/ });
  assert.throws(() => upload(''), { message: 'the file is empty' });
});

describe('a file that takes long to read', () => {
  // A good file has as long, on a machine that is full.
  const reader = new UploadReader(5_000);
  const readApart = async (file: Buffer): Promise<UploadParts> =>
    reader.read({ files: [file.toString('base64')], passphrase: 'right' });
  const isRefused = { code: 'CERTSTORE_TOO_LARGE', message: /fewer/ };

  it('holds nobody else: a PKCS #12 is given up, and the next upload is read', async () => {
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 20);
    await assert.rejects(readApart(made.slowP12), isRefused);
    clearInterval(counting);
    assert(turns > 20, String(turns));
    const { keys } = await readApart(made.p12);
    assert.deepEqual(
      keys.map(({ type }) => type),
      ['private'],
    );
  });

  it('is refused unread as a key of PKCS #8, in PEM and DER', async () => {
    await assert.rejects(readApart(Buffer.from(made.slowPkcs8)), isRefused);
    await assert.rejects(readApart(pemDer(made.slowPkcs8)), isRefused);
    // scrypt takes as long as the product of its numbers, of which each is small.
    openssl('pkcs8 -topk8 -scrypt -in other.key -outform DER -out scrypt.der -passout pass:right');
    const sealed = readFileSync(file('scrypt.der'));
    sealed.set([2, 1, 0x7f, 2, 1, 0x7f], sealed.indexOf(Buffer.from([2, 1, 8, 2, 1, 1])));
    await assert.rejects(readApart(sealed), isRefused);
  });

  it('is refused unread where all files have more than 256 KiB', async () => {
    await assert.rejects(readApart(Buffer.alloc(257 * 1024, 65)), {
      code: 'CERTSTORE_TOO_LARGE',
      message: /more than 262144 bytes/,
    });
  });

  it('is given up before who uploads gives up, who is told so', () => {
    for (const { deadlineMs } of [createCertificate, updateCertificate]) assert(deadlineMs > readingMsMax);
  });

  it('is refused by the same sentence as where it is read at once', async () => {
    const wrong = new UploadReader(60_000).read({
      files: [made.p12.toString('base64')],
      passphrase: 'wrong',
    });
    await assert.rejects(wrong, { code: 'CERTSTORE_PASSPHRASE_WRONG' });
  });
});

describe('an upload is taken, whatever its form:', () => {
  const forms: [what: string, files: () => Files, passphrase?: string][] = [
    ['one PEM, key first', () => [made.other.keyPem + made.intermediatePem + made.other.pem]],
    [
      'a PEM in UTF-16 with a byte order mark',
      () => [Buffer.from(`\ufeff${made.other.pem}${made.other.keyPem}`, 'utf16le')],
    ],
    [
      'a PEM in UTF-16 with a byte order mark, most significant byte first',
      () => [Buffer.from(`\ufeff${made.other.pem}${made.other.keyPem}`, 'utf16le').swap16()],
    ],
    ['with line ends of Windows', () => [(made.other.pem + made.other.keyPem).replaceAll('\n', '\r\n')]],
    [
      'with lines that are indented',
      () => [made.other.pem, made.other.keyPem].map((pem) => pem.replaceAll(/^/gm, '    ')),
    ],
    ['in one line', () => [made.other.pem, made.other.keyPem].map((pem) => pem.replaceAll('\n', ' '))],
    [
      'with line ends as JSON and variables have them',
      () => [made.other.pem.replaceAll('\n', '\\n'), made.other.keyPem.replaceAll('\n', '\\r\\n')],
    ],
    [
      'encrypted PKCS #8, indented',
      () => [made.other.pem, made.sealedPkcs8.replaceAll(/^/gm, '  ')],
      'right',
    ],
    ['encrypted PKCS #1, indented', () => [made.rsa.pem, made.sealedPkcs1.replaceAll(/^/gm, '  ')], 'right'],
    ['DER certificate and DER key', () => [der(made.other.pem), keyDer(made.other.keyPem)]],
    [
      'SEC 1',
      () => [made.other.pem, createPrivateKey(made.other.keyPem).export({ type: 'sec1', format: 'der' })],
    ],
    [
      'PKCS #1',
      () => [made.rsa.pem, createPrivateKey(made.rsa.keyPem).export({ type: 'pkcs1', format: 'pem' })],
    ],
    ['encrypted PKCS #8', () => [made.other.pem, made.sealedPkcs8], 'right'],
    ['encrypted PKCS #8 in DER', () => [made.other.pem, pemDer(made.sealedPkcs8)], 'right'],
    ['encrypted PKCS #1', () => [made.rsa.pem, made.sealedPkcs1], 'right'],
    [
      'encrypted PKCS #8 of old tools, in DER',
      () => [made.other.pem, readFileSync(file('old.der'))],
      'right',
    ],
    // Its base64 is one line of 64 characters exactly.
    ['an Ed25519 key', () => Object.values(selfSigned('ed25519', '-newkey', 'ed25519', ...leafOnly))],
    ['of nobody: with alternative names alone', () => nameless()],
    ['an RSA key for PSS alone', () => Object.values(made.pss)],
    ['PKCS #12', () => [made.p12], 'right'],
    ['PKCS #12 of old tools', () => [made.legacyP12], 'right'],
    ['PKCS #12 with a passphrase of more than ASCII', () => [sealedWith('Schlüssel 5 €')], 'Schlüssel 5 €'],
    [
      'PKCS #12 of old tools, with such a passphrase',
      () => [
        sealedWith(
          'Schlüssel 5 €',
          ...'-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1'.split(' '),
        ),
      ],
      'Schlüssel 5 €',
    ],
  ];
  for (const [what, files, passphrase] of forms) {
    it(what, () => {
      const { keyPem, chainPem } = read(files(), passphrase);
      assert(keyPem !== null);
      assert(new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem)));
    });
  }

  it('a chain in any order comes out leaf first', () => {
    const { chainPem, facts } = read([
      text('top-ca.pem'),
      made.deepLeaf.keyPem,
      made.intermediatePem,
      made.deepLeaf.pem,
    ]);
    assert.equal(facts.certificates, 3);
    const subjects = [...chainPem.matchAll(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)].map(
      ([pem]) => new X509Certificate(pem).subject,
    );
    assert.deepEqual(subjects, ['CN=deep', 'CN=middle', 'CN=top']);
  });

  it('a certificate that begins within five minutes, as clocks differ, and no later', async () => {
    const beginning = (inMs: number) =>
      issued(new Date(Date.now() + inMs), new Date(Date.now() + dayMs)).then((pair) => Object.values(pair));
    assert.equal(read(await beginning(4 * 60_000)).kind, 'server');
    const late = await beginning(6 * 60_000);
    assert.throws(() => read(late), { code: 'CERTSTORE_NOT_YET_VALID' });
  });

  it('a certificate of any purpose is for both ends', () => {
    const config = `${leafConfig}\nextendedKeyUsage=anyExtendedKeyUsage`;
    const { pem, keyPem } = signed('any', { ca: 'middle.pem', key: 'middle.key' }, config);
    assert.equal(read([pem, keyPem]).kind, 'both');
  });

  it('a chain ends when the first of its certificates does', () => {
    const lasting = signed('lasting', { ca: 'middle.pem', key: 'middle.key' }, leafConfig, '-days', '60');
    const { facts } = read([lasting.pem, lasting.keyPem, made.intermediatePem]);
    assert.equal(facts.notAfter, new X509Certificate(made.intermediatePem).validToDate.toISOString());
  });

  it('an RSA key that takes its time for each handshake is not, nor is one of a CA refused for that', () => {
    // Of several primes, which are found sooner.
    const rsa = '-algorithm RSA -pkeyopt rsa_keygen_bits:8200 -pkeyopt rsa_keygen_primes:5';
    openssl(`genpkey ${rsa} -out large.key`);
    const pems = ['CA:FALSE', 'CA:TRUE'].map((basic) =>
      openssl(
        'req -x509 -key large.key -subj /CN=large -addext',
        `basicConstraints=critical,${basic}`,
      ).toString(),
    );
    assert.throws(() => read([pems[0] ?? '', text('large.key')]), {
      code: 'CERTSTORE_TOO_LARGE',
      message:
        'the private key has 8200 bits, and each handshake would hold up all that the node does: use ECDSA P-256, or RSA of at most 8192 bits',
    });
    assert.equal(read([pems[1] ?? '']).kind, 'ca');
  });

  it('a certificate of nobody has no subject', () => {
    const { facts } = read(nameless());
    assert.deepEqual([facts.subject, facts.san], ['', ['DNS:bare.example']]);
  });

  it('a root that signed itself with SHA-1 is no worse for that', () => {
    const { pem } = selfSigned('sha1-root', '-newkey', 'rsa:2048', '-sha1', '-days', '9');
    assert.equal(read([pem]).kind, 'ca');
  });

  it('a bundle of CAs is a CA, in as many as there are', () => {
    const { kind, facts, keyPem } = read([made.rootPem + text('top-ca.pem')]);
    assert.deepEqual([kind, facts.certificates, keyPem], ['ca', 2, null]);
  });
});
