/**
 * The PROXY protocol's header, versions 1 and 2 (haproxy's proxy-protocol.txt): by which a balancer tells a node, and a
 * node a resource, who calls. Pure: bytes to facts and back. Reading takes the header off the front of what has come
 * so far and says how long it is; it wants no more bytes than the protocol allows.
 *
 *     1: PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n                      at most 107 bytes
 *     2: 0D0A0D0A000D0A515549540A | 2, command | family, protocol | length | addresses | TLVs
 *
 * What a v2 header says beyond the addresses is skipped when it is read: a balancer's word on a caller's certificate is
 * no proof of it.
 */
import { isIP, isIPv4 } from 'node:net';

/** Most bytes of a header that is read: v2's fixed part and what it may announce here. */
export const proxyHeaderBytesMax = 16 + 4_096;

/** An address with its port. */
export interface SocketName {
  address: string;
  port: number;
}

/** Both ends of a connection. */
export interface ProxiedEnds {
  source: SocketName;
  destination: SocketName;
}

/** What has come so far. `ends` is null for a connection of the balancer's own (LOCAL), and where it knows none. */
export type ProxyRead =
  | { kind: 'partial' }
  | { kind: 'header'; ends: ProxiedEnds | null; bytes: number }
  | { kind: 'invalid'; fault: string };

/** One further fact in a v2 header. */
export interface ProxyFact {
  type: number;
  value: Buffer;
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const line1BytesMax = 107;
const fixedBytes = 16;
const ipv4Bytes = 12;
const ipv6Bytes = 36;
const factBytesMax = 4_096;

/** Reads a header of either version. */
export function readProxyHeader(bytes: Buffer): ProxyRead {
  const start = bytes.subarray(0, signature.length);
  if (start.equals(signature.subarray(0, start.length))) return readVersion2(bytes);
  const word = Buffer.from('PROXY ').subarray(0, bytes.length);
  if (bytes.subarray(0, word.length).equals(word)) return readVersion1(bytes);
  return invalid('it does not begin with a PROXY header');
}

/** The header of version 1: addresses only. */
export function writeProxyHeader1({ source, destination }: ProxiedEnds): Buffer {
  const family = bothFamily(source, destination);
  if (family === 0) return Buffer.from('PROXY UNKNOWN\r\n');
  const names = [source, destination].map(({ address }) => bare(address, family)).join(' ');
  return Buffer.from(`PROXY TCP${family} ${names} ${source.port} ${destination.port}\r\n`);
}

/** The header of version 2, with further facts. */
export function writeProxyHeader2(
  { source, destination }: ProxiedEnds,
  facts: readonly ProxyFact[] = [],
): Buffer {
  const family = bothFamily(source, destination);
  const addresses = family === 0 ? Buffer.alloc(0) : Buffer.concat([...ends(source, destination, family)]);
  const body = Buffer.concat([addresses, ...facts.map(writeFact)]);
  const fixed = Buffer.alloc(fixedBytes);
  signature.copy(fixed);
  fixed[12] = 0x21;
  fixed[13] = family === 4 ? 0x11 : family === 6 ? 0x21 : 0;
  fixed.writeUInt16BE(body.length, 14);
  return Buffer.concat([fixed, body]);
}

/** One fact as it stands in a header, or inside another. Longer values are cut: they are for logs, not for proof. */
export function writeFact({ type, value }: ProxyFact): Buffer {
  const kept = value.subarray(0, factBytesMax);
  const head = Buffer.alloc(3);
  head[0] = type;
  head.writeUInt16BE(kept.length, 1);
  return Buffer.concat([head, kept]);
}

function readVersion1(bytes: Buffer): ProxyRead {
  const end = bytes.subarray(0, line1BytesMax).indexOf('\r\n');
  if (end < 0) {
    return bytes.length >= line1BytesMax
      ? invalid(`the PROXY line is longer than ${line1BytesMax} bytes`)
      : { kind: 'partial' };
  }
  const length = end + 2;
  const fields = bytes.toString('latin1', 0, end).split(' ');
  const [, family, from = '', to = '', fromPort = '', toPort = ''] = fields;
  if (family === 'UNKNOWN') return { kind: 'header', ends: null, bytes: length };
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  const ports = [fromPort, toPort].map(portOf);
  if (version === 0 || fields.length !== 6 || isIP(from) !== version || isIP(to) !== version)
    return invalid('the PROXY line has no two addresses of its family');
  const [sourcePort, destinationPort] = ports;
  if (sourcePort === undefined || destinationPort === undefined || ports.includes(-1))
    return invalid('the PROXY line has no two ports');
  const both = {
    source: { address: from, port: sourcePort },
    destination: { address: to, port: destinationPort },
  };
  return { kind: 'header', ends: both, bytes: length };
}

function readVersion2(bytes: Buffer): ProxyRead {
  if (bytes.length > 12 && (bytes[12] ?? 0) >> 4 !== 2)
    return invalid('the PROXY header has another version than 1 or 2');
  if (bytes.length < fixedBytes) return { kind: 'partial' };
  const length = bytes.readUInt16BE(14);
  if (fixedBytes + length > proxyHeaderBytesMax)
    return invalid(`the PROXY header is longer than ${proxyHeaderBytesMax} bytes`);
  if (bytes.length < fixedBytes + length) return { kind: 'partial' };
  return readCommand(bytes, length);
}

function readCommand(bytes: Buffer, length: number): ProxyRead {
  const command = (bytes[12] ?? 0) & 0x0f;
  const family = bytes[13] ?? 0;
  const body = bytes.subarray(fixedBytes, fixedBytes + length);
  const header = (both: ProxiedEnds | null): ProxyRead => {
    return { kind: 'header', ends: both, bytes: fixedBytes + length };
  };
  if (command > 1) return invalid('the PROXY header has an unknown command');
  if (command === 0) return header(null);
  switch (family) {
    case 0x11:
      return length < ipv4Bytes ? invalid('the PROXY header ends too early') : header(readEnds(body, 4));
    case 0x21:
      return length < ipv6Bytes ? invalid('the PROXY header ends too early') : header(readEnds(body, 16));
    case 0x00:
      return header(null);
    default:
      return invalid('the PROXY header is not for a TCP connection');
  }
}

function readEnds(body: Buffer, addressBytes: number): ProxiedEnds {
  const address = (at: number): string => addressText(body.subarray(at, at + addressBytes));
  const ports = 2 * addressBytes;
  return {
    source: { address: address(0), port: body.readUInt16BE(ports) },
    destination: { address: address(addressBytes), port: body.readUInt16BE(ports + 2) },
  };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The URL parser writes an IPv6 address in its one short form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function* ends(source: SocketName, destination: SocketName, family: 4 | 6): Generator<Buffer> {
  yield addressBytesOf(source.address, family);
  yield addressBytesOf(destination.address, family);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  yield ports;
}

function addressBytesOf(address: string, family: 4 | 6): Buffer {
  const text = bare(address, family);
  if (family === 4) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail = ''] = withoutIpv4(text).split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [first, last] = [groups(head), groups(tail)];
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}

/** `::ffff:1.2.3.4` in hexadecimal groups only. */
function withoutIpv4(text: string): string {
  const [, head, ipv4] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  if (head === undefined || ipv4 === undefined) return text;
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${head}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** 4 or 6 when both can be written so; 0 when one is no address. */
function bothFamily(source: SocketName, destination: SocketName): 0 | 4 | 6 {
  const texts = [source.address, destination.address].map((address) => plain(address));
  if (texts.some((text) => isIP(text) === 0)) return 0;
  return texts.every((text) => isIPv4(text)) ? 4 : 6;
}

function bare(address: string, family: 4 | 6): string {
  const text = plain(address);
  return family === 6 && isIPv4(text) ? `::ffff:${text}` : text;
}

/** Without a zone, and an IPv4 address as such where a socket shows it within IPv6. */
function plain(address: string): string {
  const text = address.split('%')[0] ?? '';
  const ipv4 = text.startsWith('::ffff:') ? text.slice(7) : '';
  return isIPv4(ipv4) ? ipv4 : text;
}

function portOf(text: string): number {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : -1;
}

function invalid(fault: string): ProxyRead {
  return { kind: 'invalid', fault };
}
