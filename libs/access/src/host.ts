/**
 * Hosts of rules and of what is dialled. A rule's host is an address, a block, a name, `*.name` or `*`; what is
 * dialled is an address or a name. Names are compared without regard to case and without a trailing dot;
 * names of other scripts are compared in their ASCII form.
 */
import { domainToASCII } from 'node:url';
import { parseAddress, parseBlock, type Address, type AddressBlock } from './address.ts';

/** What the host of a rule stands for, with the one text for it. */
export type HostPattern =
  | { kind: 'address'; address: Address; text: string }
  | { kind: 'name'; text: string }
  | { kind: 'block'; block: AddressBlock; text: string }
  | { kind: 'below'; suffix: string; text: string }
  | { kind: 'any'; text: '*' };

/** What is dialled: an address, or a name that is not resolved yet. */
export interface Host {
  address: Address | null;
  text: string;
}

/** The pattern that a rule's host stands for, or null when it is none. */
export function parseHostPattern(text: string): HostPattern | null {
  if (text === '*') return { kind: 'any', text };
  const address = parseAddress(text);
  if (address !== null) return { kind: 'address', address, text: address.text };
  if (text.includes('/')) return blockPattern(text);
  if (text.startsWith('*.')) {
    const name = parseName(text.slice(2));
    return name === null ? null : { kind: 'below', suffix: `.${name}`, text: `*.${name}` };
  }
  const name = parseName(text);
  return name === null ? null : { kind: 'name', text: name };
}

/** A name in the form that is compared, or null when it is no name. One whose last label is a number is an address gone wrong. */
function parseName(text: string): string | null {
  if (text.length > 255 || text === '') return null;
  const name = /^[\x20-\x7e]*$/.test(text) ? text.toLowerCase() : asciiName(text);
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  const labels = bare.split('.');
  if (bare.length > 253 || !labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) return null;
  return /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? null : bare;
}

/**
 * A host or `*.name` as it goes out on the wire, to DNS, and into certificates: a name of another script in its ASCII form
 * (RFC 5891, section 4.4), all else as it is. What is no name stays as it is too.
 */
export function toAsciiHost(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const below = text.startsWith('*.') ? '*.' : '';
  const name = asciiName(text.slice(below.length));
  return name === '' ? text : `${below}${name}`;
}

/**
 * Empty where the text is no name. Node reads it as the host of a URL: it would end at a `/` or `?`, and what comes out
 * may be an address.
 */
function asciiName(text: string): string {
  if (/[^a-z0-9_.\-\u0080-\u{10ffff}]/iu.test(text)) return '';
  const name = domainToASCII(text);
  return parseAddress(name) === null ? name : '';
}

/** A host as text in the form that is compared: what two spellings of one name have in common. */
export function comparedName(text: string): string {
  return parseHost(text).text;
}

/** What is dialled, in the form that rules are compared with. Never fails: what is no name or address matches only `*`. */
export function parseHost(text: string): Host {
  const address = parseAddress(text);
  return { address, text: address?.text ?? parseName(text) ?? text.toLowerCase() };
}

/** Whether the text can be dialled at all: an address or a name. */
export function isHost(text: string): boolean {
  return parseAddress(text) !== null || parseName(text) !== null;
}

function blockPattern(text: string): HostPattern | null {
  const block = parseBlock(text);
  if (block === null) return null;
  const single = block.prefix === (block.family === 4 ? 32 : 128);
  const address = single ? parseAddress(block.text.slice(0, block.text.indexOf('/'))) : null;
  if (address !== null) return { kind: 'address', address, text: address.text };
  return { kind: 'block', block, text: block.text };
}
