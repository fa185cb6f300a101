/**
 * Addresses as numbers. One address has one form here: IPv6 that carries IPv4 (`::ffff:10.0.0.5`) is that IPv4
 * address, letters are small, zeros are compressed. Only the four-part decimal form is an IPv4 address: what
 * some resolvers also take for one (`127.1`, `0x7f.1`, `017.0.0.1`) is none, so that no rule can be read two ways.
 */
import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';

/** An address: `value` counts within its family, `text` is the one way to write it. */
export interface Address {
  family: 4 | 6;
  value: bigint;
  text: string;
}

/** A block of addresses: those whose first `prefix` bits are those of `value`. */
export interface AddressBlock {
  family: 4 | 6;
  value: bigint;
  prefix: number;
  text: string;
}

/** Texts that were read lately: each stream asks again about the host, the resource's address and the caller's. */
const known = new Map<string, Address | null>();
const knownMax = 1_024;
const knownLengthMax = 64;

/** The address, or null when the text is none. Brackets around IPv6 are passed over, zones are refused. */
export function parseAddress(text: string): Address | null {
  const found = known.get(text);
  if (found !== undefined) return found;
  const address = readAddress(text);
  if (text.length > knownLengthMax) return address;
  if (known.size >= knownMax) known.clear();
  known.set(text, address);
  return address;
}

function readAddress(text: string): Address | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIP(bare) === 0 || bare.includes('%')) return null;
  // ipaddr.js takes `::0.0.0.1` for `::ffff:0.0.0.1`; the system dials `::1`.
  const parsed = ipaddr.process(isIP(bare) === 6 ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare);
  return {
    family: parsed.kind() === 'ipv4' ? 4 : 6,
    value: toNumber(parsed.toByteArray()),
    text: parsed.toString(),
  };
}

/** The block that `address/prefix` names, its host bits cleared, or null when the text names none. */
export function parseBlock(text: string): AddressBlock | null {
  const match = /^(.+)\/(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const [, addressText = '', prefixText = ''] = match;
  const address = parseAddress(addressText);
  if (address === null) return null;
  const carriesIpv4 = address.family === 4 && addressText.includes(':');
  const prefix = Number(prefixText) - (carriesIpv4 ? 96 : 0);
  const bits = addressBits(address.family);
  if (prefix < 0 || prefix > bits) return null;
  const hostBits = BigInt(bits - prefix);
  const value = (address.value >> hostBits) << hostBits;
  return { family: address.family, value, prefix, text: `${toText(address.family, value)}/${prefix}` };
}

/** Whether the block holds the address. */
export function blockHolds(block: AddressBlock, address: Address): boolean {
  if (block.family !== address.family) return false;
  const hostBits = BigInt(addressBits(block.family) - block.prefix);
  return address.value >> hostBits === block.value >> hostBits;
}

/** The first 96 bits of an IPv6 address by which a network's NAT64 leads to an IPv4 address (RFC 6052): `64:ff9b::/96`. */
const nat64Prefix = 0x64ff9bn << 64n;

/** Where the system leads who dials nobody's address. */
const loopbacks: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** The other address that is reached by dialling this one; null where it is itself. */
export function reachedBy({ family, value, text }: Address): Address | null {
  const loopback = loopbacks.get(text);
  if (loopback !== undefined) return parseAddress(loopback);
  if (family !== 6 || value >> 32n !== nat64Prefix) return null;
  return parseAddress(toText(4, value & 0xffff_ffffn));
}

/** How many bits an address of the family has. */
export function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toText(family: 4 | 6, value: bigint): string {
  const bytes = Array.from({ length: addressBits(family) / 8 }, (_, index) =>
    Number((value >> BigInt(addressBits(family) - 8 * (index + 1))) & 0xffn),
  );
  return ipaddr.fromByteArray(bytes).toString();
}
