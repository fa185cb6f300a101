/**
 * Revocation lists of CAs (X.509 CRL; RFC 5280, section 5), as far as whoever has OpenSSL go by them must know them: that
 * it reads each, that each counts there, and when the next one is due. OpenSSL goes by complete lists of the CA itself; one
 * that adds to another (delta), is of other CAs too (indirect), or is for some reasons only it passes over without a
 * word, so that whom it revokes would be let in. OpenSSL verifies signatures at each handshake, and by a list that is forged
 * it lets nobody in; who takes lists from strangers looks at that before (`readSignedLists`).
 *
 * Only the frame is read here, never the entries: @peculiar/x509 makes objects of all of them, and refuses a list of 20,000.
 *
 *     list { tbs { version?, algorithm, issuer, thisUpdate, nextUpdate?, revoked?, [0] { extension { oid, critical?, octets } } },
 *            algorithm { oid, parameters? }, signature }
 */
import { type KeyObject, X509Certificate, constants, verify as verifyWith } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';

const verify = promisify(verifyWith);

const pemBegin = '-----BEGIN X509 CRL-----';
const pemBlock = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g;
const Tag = {
  oid: 0x06,
  teletexString: 0x14,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  extensions: 0xa0,
  pssHash: 0xa0,
} as const;
/** Object identifiers, in hexadecimal. */
const deltaIndicator = '551d1b';
const issuingDistributionPoint = '551d1c';
/** Signature algorithms by the hash that they name; of every other the key says it (Ed25519). */
const hashes: Readonly<Record<string, string>> = {
  '2a864886f70d010105': 'sha1',
  '2a864886f70d01010e': 'sha224',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha1',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};
/** RSASSA-PSS (RFC 4055): its parameters name the hash, SHA-1 where they do not. */
const pss = '2a864886f70d01010a';
const pssHashes: Readonly<Record<string, string>> = {
  '608648016503040204': 'sha224',
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
};
/** What of an issuing distribution point makes a list one that does not count. */
const partialKinds: Readonly<Record<number, string>> = {
  0x83: 'is for some reasons of revocation only',
  0x84: 'is of several CAs (indirect)',
  0x85: 'is for attribute certificates only',
};

/** The lists of one CA. */
export interface CaLists {
  readonly pem: string;
  /** When it was made: of several the first, and 1970 where one does not say it in the form of RFC 5280. */
  readonly made: Date;
}

/** What a text or file of revocation lists is. */
export type RevocationListRead =
  | {
      readonly kind: 'lists';
      readonly pem: string;
      /** Those of each CA, by its name. */
      readonly byCa: ReadonlyMap<string, CaLists>;
      /** When the first of them is to be replaced; null where none says so. */
      readonly nextUpdate: Date | null;
      /** When each of those is that say so. */
      readonly nextUpdates: readonly Date[];
    }
  | { readonly kind: 'invalid'; readonly fault: string };

/** Reads one or several in PEM, or one in DER. */
export function readRevocationLists(bytes: Buffer): RevocationListRead {
  return read(listsIn(bytes));
}

/**
 * The same of those alone that one of these CAs (PEM, any number in each text) signed, each in its own name: a list in the
 * name of another would be taken for that one's, and keep its callers out. Invalid where there is none.
 */
export async function readSignedLists(bytes: Buffer, caPems: readonly string[]): Promise<RevocationListRead> {
  const lists = listsIn(bytes);
  const all = read(lists);
  if (lists === null || all.kind === 'invalid') return all;
  const cas = caPems.flatMap(signersOf);
  const signed: Buffer[] = [];
  for (const list of lists) if (await isSignedByOne(list, cas)) signed.push(list);
  return signed.length === 0 ? invalid('is signed by no CA that is believed here') : read(signed);
}

/** Each in DER; null where one was cut off, and with it whom it revokes. */
function listsIn(bytes: Buffer): Buffer[] | null {
  const text = bytes.toString('latin1');
  const blocks = [...text.matchAll(pemBlock)].map(([, body = '']) => Buffer.from(body, 'base64'));
  const begun = text.split(pemBegin).length - 1;
  if (begun === 0) return [bytes];
  return blocks.length === begun ? blocks : null;
}

function read(lists: readonly Buffer[] | null): RevocationListRead {
  const pem = lists?.map(pemOf).join('') ?? '';
  if (lists === null || !isRead(pem)) return noList;
  try {
    const frames = lists.map(readList);
    const fault = frames.find((one) => one.fault !== null)?.fault;
    if (typeof fault === 'string') return invalid(`${fault}: give the complete list of the CA`);
    const due = frames.flatMap(({ nextUpdate }) => (nextUpdate === null ? [] : [nextUpdate]));
    const nextUpdates = due.toSorted((one, other) => one - other).map((at) => new Date(at));
    return { kind: 'lists', pem, byCa: listsByCa(frames), nextUpdate: nextUpdates[0] ?? null, nextUpdates };
  } catch (error) {
    if (error instanceof RangeError) return noList;
    throw error;
  }
}

function invalid(fault: string): RevocationListRead {
  return { kind: 'invalid', fault };
}

const noList = invalid('is no revocation list (X.509 CRL, PEM or DER)');

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n');
  return `${pemBegin}\n${lines}-----END X509 CRL-----\n`;
}

function isRead(crl: string): boolean {
  try {
    createSecureContext({ crl });
    return true;
  } catch {
    return false;
  }
}

interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

function signersOf(caPem: string): Signer[] {
  const blocks = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((pem) => {
    const { raw, publicKey } = new X509Certificate(pem);
    const [tbs] = children(children(raw)[0]?.content);
    const [, , , subject] = children(tbs?.content).filter(({ tag }) => tag === Tag.sequence);
    return { name: nameOf(subject), key: publicKey };
  });
}

async function isSignedByOne(list: Buffer, cas: readonly Signer[]): Promise<boolean> {
  const [tbs, algorithm, bits] = children(children(list)[0]?.content);
  if (tbs === undefined || algorithm === undefined || bits === undefined) return false;
  const [oid, parameters] = children(algorithm.content);
  const how = howSigned(oid?.content.toString('hex') ?? '', parameters);
  // The first byte of a bit string says how many bits of its last are none.
  const signature = bits.content.subarray(1);
  const { issuer } = readList(list);
  for (const { name, key } of cas) {
    if (name !== issuer) continue;
    // A key of another kind than the algorithm's makes it fail.
    const isSigner = verify(how.hash, tbs.whole, { key, ...how.padding }, signature).catch(() => false);
    if (await isSigner) return true;
  }
  return false;
}

function howSigned(oid: string, parameters: Value | undefined): { hash: string | null; padding: object } {
  if (oid !== pss) return { hash: hashes[oid] ?? null, padding: {} };
  const hash = children(parameters?.content).find(({ tag }) => tag === Tag.pssHash);
  const [named] = children(children(hash?.content)[0]?.content);
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  return { hash: pssHashes[named?.content.toString('hex') ?? ''] ?? 'sha1', padding };
}

interface OneList {
  readonly der: Buffer;
  readonly issuer: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  readonly fault: string | null;
}

function listsByCa(lists: readonly OneList[]): Map<string, CaLists> {
  const ofCa = Map.groupBy(lists, ({ issuer }) => issuer);
  return new Map(
    [...ofCa].map(([ca, own]) => {
      const made = new Date(Math.min(...own.map(({ thisUpdate }) => thisUpdate)));
      return [ca, { pem: own.map(({ der }) => pemOf(der)).join(''), made }];
    }),
  );
}

function readList(der: Buffer): OneList {
  const [tbs] = children(children(der)[0]?.content);
  const parts = children(tbs?.content);
  const [, issuer] = parts.filter(({ tag }) => tag === Tag.sequence);
  const [made, next] = parts.filter(({ tag }) => tag === Tag.utcTime || tag === Tag.generalizedTime);
  const wrapped = parts.find(({ tag }) => tag === Tag.extensions)?.content;
  const extensions = children(children(wrapped)[0]?.content).map(({ content }) => children(content));
  const faults = extensions.map((parts) => faultOfExtension(parts)).filter((fault) => fault !== null);
  return {
    der,
    issuer: nameOf(issuer),
    thisUpdate: (made === undefined ? null : timeOf(made)) ?? 0,
    nextUpdate: next === undefined ? null : timeOf(next),
    fault: faults[0] ?? null,
  };
}

function faultOfExtension(parts: readonly Value[]): string | null {
  const oid = parts.find(({ tag }) => tag === Tag.oid)?.content.toString('hex');
  if (oid === deltaIndicator) return 'adds to another list (delta)';
  if (oid !== issuingDistributionPoint) return null;
  const [point] = children(parts.at(-1)?.content);
  const said = children(point?.content).filter(({ content }) => content.some((byte) => byte !== 0));
  return said.map(({ tag }) => partialKinds[tag]).find((kind) => kind !== undefined) ?? null;
}

/**
 * A distinguished name as OpenSSL compares names: of whatever kind of string, of letters of whatever case, and however many
 * spaces.
 */
function nameOf(name: Value | undefined): string {
  const parts = children(name?.content).map(({ content }) => {
    const pairs = children(content).map((pair) => {
      const [oid, value] = children(pair.content);
      return `${oid?.content.toString('hex')}=${JSON.stringify(textOf(value))}`;
    });
    return pairs.join('+');
  });
  return parts.join(',');
}

function textOf(value: Value | undefined): string {
  if (value === undefined) return '';
  const { tag, content } = value;
  const text =
    tag === Tag.bmpString && content.length % 2 === 0
      ? Buffer.from(content).swap16().toString('utf16le')
      : content.toString(tag === Tag.teletexString ? 'latin1' : 'utf8');
  return text.trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

/** `YYMMDDhhmmssZ`, or with the whole year; null in any other form, in which OpenSSL may read it and RFC 5280 has none. */
function timeOf({ tag, content }: Value): number | null {
  const text = content.toString('latin1');
  const century = tag === Tag.generalizedTime ? '' : Number(text.slice(0, 2)) < 50 ? '20' : '19';
  const [, date = '', time = ''] = /^(\d{8})(\d{6})Z$/.exec(century + text) ?? [];
  const iso = `${date.replace(/(..)(..)$/, '-$1-$2')}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`;
  const at = Date.parse(iso);
  return Number.isNaN(at) ? null : at;
}

interface Value {
  readonly tag: number;
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** What stands in a constructed value, in DER; throws RangeError where a length reaches past its end. */
function children(bytes: Buffer = Buffer.alloc(0)): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    const first = bytes.readUInt8(at + 1);
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) throw new RangeError('the value ends too early');
    const end = start + length;
    values.push({ tag, whole: bytes.subarray(at, end), content: bytes.subarray(start, end) });
    at = end;
  }
  return values;
}
