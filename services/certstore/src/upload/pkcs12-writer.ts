/**
 * Writes PKCS #12: a key with its chain, as OpenSSL, Java, Windows and browsers read it. The key is sealed with
 * PBES2 (PBKDF2, AES-256-CBC) by Node; certificates are public and lie open; the whole is under an HMAC-SHA-256. The
 * structure is RFC 7292's, built with node-forge's ASN.1, because the library itself writes RSA keys only.
 *
 *   PFX { 3, data [ data [ certificate bags ], data [ shrouded key bag ] ], MAC }
 */
import { X509Certificate, createHash, createHmac, createPrivateKey, randomBytes } from 'node:crypto';
import forge from 'node-forge';

const { asn1 } = forge;
type Asn1 = forge.asn1.Asn1;

const oids = {
  data: '1.2.840.113549.1.7.1',
  keyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  x509: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const;

const macIterations = 10_000;
const macKeyId = 3;

/** The pair as a P12 file. The passphrase is printable ASCII: tools disagree on how others are encoded. */
export function writePkcs12(pair: {
  keyPem: string;
  chain: readonly string[];
  name: string;
  passphrase: string;
}): Buffer {
  const { keyPem, chain, name, passphrase } = pair;
  const certificates = chain.map((pem) => new X509Certificate(pem).raw);
  const keyId = createHash('sha1')
    .update(certificates[0] ?? '')
    .digest();
  const own = [attribute(oids.friendlyName, bmp(name)), attribute(oids.localKeyId, octets(keyId))];
  const sealedKey = createPrivateKey(keyPem).export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase,
  });
  const certificateBags = certificates.map((der, index) =>
    bag(oids.certificateBag, sequence(oid(oids.x509), tagged(octets(der))), index === 0 ? own : []),
  );
  const keyBag = bag(oids.keyBag, asn1.fromDer(forge.util.createBuffer(binary(sealedKey))), own);
  const safe = der(
    sequence(contentInfo(der(sequence(...certificateBags))), contentInfo(der(sequence(keyBag)))),
  );
  return der(sequence(integer(3), contentInfo(safe), macData(safe, passphrase)));
}

function macData(safe: Buffer, passphrase: string): Asn1 {
  const salt = randomBytes(16);
  const digest = forge.md.sha256.create();
  const derived = forge.pkcs12.generateKey(
    passphrase,
    forge.util.createBuffer(binary(salt)),
    macKeyId,
    macIterations,
    32,
    digest,
  );
  const mac = createHmac('sha256', Buffer.from(derived.getBytes(), 'binary')).update(safe).digest();
  const algorithm = sequence(oid(oids.sha256), make(asn1.Type.NULL, ''));
  return sequence(sequence(algorithm, octets(mac)), octets(salt), integer(macIterations));
}

function contentInfo(content: Buffer): Asn1 {
  return sequence(oid(oids.data), tagged(octets(content)));
}

function bag(type: string, value: Asn1, attributes: readonly Asn1[]): Asn1 {
  return sequence(oid(type), tagged(value), ...(attributes.length === 0 ? [] : [set(...attributes)]));
}

function attribute(type: string, value: Asn1): Asn1 {
  return sequence(oid(type), set(value));
}

function sequence(...parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
}

function set(...parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, parts);
}

/** `[0] EXPLICIT`. */
function tagged(part: Asn1): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, asn1.Type.NONE, true, [part]);
}

function make(type: forge.asn1.Type, bytes: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, bytes);
}

function oid(text: string): Asn1 {
  return make(asn1.Type.OID, asn1.oidToDer(text).getBytes());
}

function integer(value: number): Asn1 {
  return make(asn1.Type.INTEGER, asn1.integerToDer(value).getBytes());
}

function octets(bytes: Buffer): Asn1 {
  return make(asn1.Type.OCTETSTRING, binary(bytes));
}

function bmp(text: string): Asn1 {
  return make(asn1.Type.BMPSTRING, binary(Buffer.from(text, 'utf16le').swap16()));
}

function der(node: Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'binary');
}

function binary(bytes: Buffer): string {
  return bytes.toString('binary');
}
