/**
 * Revocation lists of CAs (X.509 CRL; RFC 5280, section 5), as far as whoever has OpenSSL go by them must know them: that
 * it reads each, that each counts there, and when the next one is due. OpenSSL goes by complete lists of the CA itself; one
 * that adds to another (delta), is of other CAs too (indirect), or is for some reasons only it passes over without a
 * word, so that whom it revokes would be let in. Signatures are OpenSSL's to verify, at each handshake.
 *
 * Only the frame is read here, never the entries: @peculiar/x509 makes objects of all of them, and refuses a list of 20,000.
 *
 *     list { tbs { version?, algorithm, issuer, thisUpdate, nextUpdate?, revoked?, [0] { extension { oid, critical?, octets } } } }
 */
import { createSecureContext } from 'node:tls';

const pemBegin = '-----BEGIN X509 CRL-----';
const pemBlock = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g;
const Tag = { oid: 0x06, utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30, extensions: 0xa0 } as const;
/** Object identifiers, in hexadecimal. */
const deltaIndicator = '551d1b';
const issuingDistributionPoint = '551d1c';
/** What of an issuing distribution point makes a list one that does not count. */
const partialKinds: Readonly<Record<number, string>> = {
  0x83: 'is for some reasons of revocation only',
  0x84: 'is of several CAs (indirect)',
  0x85: 'is for attribute certificates only',
};

/** What a text or file of revocation lists is. */
export type RevocationListRead =
  | {
      readonly kind: 'lists';
      readonly pem: string;
      /**
       * When the list of each CA was made, by the name of the CA, in hexadecimal: of several of one the first, and 1970
       * where one does not say it in the form of RFC 5280.
       */
      readonly made: ReadonlyMap<string, Date>;
      /** When the first of them is to be replaced; null where none says so. */
      readonly nextUpdate: Date | null;
    }
  | { readonly kind: 'invalid'; readonly fault: string };

/** Reads one or several in PEM, or one in DER. */
export function readRevocationLists(bytes: Buffer): RevocationListRead {
  const text = bytes.toString('latin1');
  const blocks = [...text.matchAll(pemBlock)].map(([, body = '']) => Buffer.from(body, 'base64'));
  const begun = text.split(pemBegin).length - 1;
  const lists = begun === 0 ? [bytes] : blocks;
  const pem = lists.map(pemOf).join('');
  // One that begins and does not end was cut off, and with it whom it revokes.
  if (blocks.length !== begun || !isRead(pem)) return noList;
  try {
    const read = lists.map(readList);
    const fault = read.find((one) => one.fault !== null)?.fault;
    if (typeof fault === 'string') return invalid(`${fault}: give the complete list of the CA`);
    const due = read.flatMap(({ nextUpdate }) => (nextUpdate === null ? [] : [nextUpdate]));
    const nextUpdate = due.length === 0 ? null : new Date(Math.min(...due));
    return { kind: 'lists', pem, made: firstMade(read), nextUpdate };
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

interface OneList {
  readonly issuer: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  readonly fault: string | null;
}

function firstMade(lists: readonly OneList[]): Map<string, Date> {
  const latestFirst = lists.toSorted((a, b) => b.thisUpdate - a.thisUpdate);
  return new Map(latestFirst.map(({ issuer, thisUpdate }) => [issuer, new Date(thisUpdate)]));
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
    issuer: issuer?.content.toString('hex') ?? '',
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
    values.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return values;
}
