/** Names in certificates: checked before they are signed, so that no odd text gets into one. */
import { isIP } from 'node:net';
import { TlsError } from './errors.ts';
import { type JsonGeneralNames, type JsonName, SubjectAlternativeNameExtension } from './x509.ts';

/** The names and addresses that a certificate is for. */
export interface Names {
  /** DNS names; a leading `*.` stands for one label. */
  names?: readonly string[];
  /** IP addresses. */
  addresses?: readonly string[];
}

const namesMax = 128;
const commonNameLengthMax = 64;
const dnsName = /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

/** The subject alternative names as an extension; refuses what is no name or address. */
export function alternativeNames({
  names = [],
  addresses = [],
}: Names): SubjectAlternativeNameExtension | null {
  if (names.length + addresses.length > namesMax) {
    throw new TlsError('TLS_REQUEST_INVALID', `a certificate takes at most ${namesMax} names`);
  }
  for (const name of names) {
    if (name.length > 253 || !dnsName.test(name)) {
      throw new TlsError('TLS_REQUEST_INVALID', `${JSON.stringify(name.slice(0, 253))} is not a DNS name`);
    }
  }
  for (const address of addresses) {
    if (isIP(address) === 0) {
      throw new TlsError(
        'TLS_REQUEST_INVALID',
        `${JSON.stringify(address.slice(0, 64))} is not an IP address`,
      );
    }
  }
  const all: JsonGeneralNames = [
    ...names.map((value) => ({ type: 'dns' as const, value: value.toLowerCase() })),
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  return all.length === 0 ? null : new SubjectAlternativeNameExtension(all);
}

/** A subject with one common name, cut at what X.509 allows; clients read the alternative names. */
export function subjectOf(commonName: string): JsonName {
  return [{ CN: [commonName.slice(0, commonNameLengthMax)] }];
}
