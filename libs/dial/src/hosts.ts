/**
 * Names that this client resolves itself, before DNS is asked: the `hosts` map of its settings. It serves resources and
 * the way to the platform alike, so a client in a container without DNS works.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { type LookupFunction, isIP } from 'node:net';
import { comparedName } from '@postern/access';
import { Lookups } from './lookups.ts';

/** As `node:net` and `node:tls` take it. */
export type Lookup = LookupFunction;

/** The most addresses of one name that are looked at. */
const addressesPerNameMax = 32;

/** As who dials resources asks. */
export interface ResourceHosts {
  /** The address of a name that the map has. */
  knows?(host: string): string | undefined;
  /** Every address of a host, in the system's order; rejects with the system's error, or the signal's reason. An address is its own. */
  resolve(host: string, signal: AbortSignal): Promise<string[]>;
}

const lookups = new Lookups();

/** The map of names, and what it does not know from the system. */
export class Hosts {
  readonly #addresses: ReadonlyMap<string, string>;

  /** Throws a TypeError that names the entry when one is no address. */
  constructor(hosts: Readonly<Record<string, string>>) {
    for (const [name, address] of Object.entries(hosts)) {
      if (isIP(address) === 0)
        throw new TypeError(`${name} must be an IP address, not ${JSON.stringify(address.slice(0, 80))}`);
    }
    this.#addresses = new Map(Object.entries(hosts).map(([name, address]) => [comparedName(name), address]));
  }

  /** The address of a name that the map has. */
  knows(host: string): string | undefined {
    return this.#addresses.get(comparedName(host));
  }

  /** For the resources of one owner, a gateway: however slow its names are, those of others are found. */
  of(owner: string): Required<ResourceHosts> {
    return {
      knows: (host) => this.knows(host),
      resolve: async (host, signal) => {
        if (isIP(host) !== 0) return [host];
        const known = this.knows(host);
        if (known !== undefined) return [known];
        const found = await lookups.find(owner, host, signal);
        return [...new Set(found)].slice(0, addressesPerNameMax);
      },
    };
  }

  /** The same as `dns.lookup`, for sockets. */
  readonly lookup: Lookup = (host, options, callback) => {
    const known = this.#addresses.get(comparedName(host));
    if (known === undefined) return systemLookup(host, options, callback);
    const found: LookupAddress = { address: known, family: isIP(known) };
    if (options.all === true) callback(null, [found]);
    else callback(null, found.address, found.family);
  };
}
