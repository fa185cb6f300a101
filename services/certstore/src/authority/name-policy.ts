/**
 * Which names a server certificate of the platform's CA may have: the platform's host and what is below it, this
 * machine's own names, and those that the settings list. A CA that browsers trust must not sign for anybody else's host.
 */
import { BlockList, isIP } from 'node:net';
import { certstoreError } from '../errors.ts';

/** What may be signed beside loopback. */
export interface NamePolicyOptions {
  readonly platformHost: string;
  /** Further names, exact; one that begins with `*.` allows that wildcard. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
}

/** Decides on names. */
export interface NamePolicy {
  /** Throws `CERTSTORE_NAME_REFUSED` naming the first that may not be signed. */
  demand(names: readonly string[], addresses: readonly string[]): void;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Makes the policy. */
export function namePolicy(options: NamePolicyOptions): NamePolicy {
  const platformHost = options.platformHost.toLowerCase();
  const listed = new Set(['localhost', ...options.names.map((name) => name.toLowerCase())]);
  const listedAddresses = addressList([...options.addresses, platformHost]);

  const mayName = (name: string): boolean => {
    if (listed.has(name)) return true;
    return name === platformHost || name.endsWith(`.${platformHost}`);
  };
  const mayAddress = (address: string): boolean => {
    const family = familyOf(address);
    return family !== null && (loopback.check(address, family) || listedAddresses.check(address, family));
  };
  return {
    demand: (names, addresses) => {
      const refused = names.find((name) => isIP(name) !== 0 || !mayName(name.toLowerCase()));
      const refusedAddress = addresses.find((address) => !mayAddress(address));
      const first = refused ?? refusedAddress;
      if (first === undefined) return;
      throw certstoreError(
        'CERTSTORE_NAME_REFUSED',
        `${first} is neither below the platform's host (${platformHost}) nor loopback nor listed in certstore's settings`,
      );
    },
  };
}

function addressList(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const address of addresses) {
    const family = familyOf(address);
    if (family !== null) list.addAddress(address, family);
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address);
  return version === 0 ? null : version === 4 ? 'ipv4' : 'ipv6';
}

/** The wildcard that is good for a name. */
function wildcardOver(name: string): string {
  return `*${name.slice(name.indexOf('.'))}`;
}

/** Refuses the platform's own names to pairs that operators have generated. */
export interface PlatformNames {
  /**
   * Throws `CERTSTORE_NAME_REFUSED` naming the first by which clients know the platform or its nodes, be it by a wildcard.
   * `served` are names that nodes and services have certificates for beside the platform's host.
   */
  refuseOwn(names: readonly string[], addresses: readonly string[], served?: readonly string[]): void;
}

/** Operators may have pairs for every host but these: who holds one could pose as the platform to its clients. */
export function platformNames(options: NamePolicyOptions): PlatformNames {
  const platformHost = options.platformHost.toLowerCase();
  const listed = [platformHost, ...options.names.map((name) => name.toLowerCase())].filter(
    (name) => name !== 'localhost',
  );
  const ownAddresses = addressList([...options.addresses, platformHost]);
  /** Nodes serve fronts by the wildcard below the platform's host, and those may have pairs. */
  const isShared = (name: string): boolean => name === 'localhost' || name === `*.${platformHost}`;
  const isOwn = (name: string, own: readonly string[]): boolean =>
    own.some((one) => name === one || name === wildcardOver(one) || wildcardOver(name) === one) ||
    name === `*.tunnel.${platformHost}` ||
    name === `tunnel.${platformHost}` ||
    name.endsWith(`.tunnel.${platformHost}`) ||
    name.endsWith('.postern.internal');
  const isOwnAddress = (address: string): boolean => {
    const family = familyOf(address);
    return family !== null && ownAddresses.check(address, family) && !loopback.check(address, family);
  };
  return {
    refuseOwn: (names, addresses, served = []) => {
      const own = [...listed, ...served.filter((name) => !isShared(name))];
      const first = names.find((name) => isOwn(name, own)) ?? addresses.find(isOwnAddress);
      if (first === undefined) return;
      throw certstoreError(
        'CERTSTORE_NAME_REFUSED',
        `${first} is the platform's own name: no pair is generated for it`,
      );
    },
  };
}
