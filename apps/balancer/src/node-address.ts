/**
 * Where nodes that are known by name are now. haproxy could resolve names itself, but asks name servers only; the system's
 * resolver knows hosts files too. A node whose name does not resolve stays where it was; one that never did is left out,
 * so that it keeps the others from nothing. One with several addresses stays at the one that it has: name servers tell
 * them in another order each time, and each would be another configuration, which costs the oldest connections in the end.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { NodeEntry } from './node-list.ts';

/** All addresses of a name, the best first; rejects where there are none. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** The same nodes by address. */
export async function withAddresses(
  nodes: readonly NodeEntry[],
  before: readonly NodeEntry[],
  lookUp: Lookup = lookUpInSystem,
): Promise<NodeEntry[]> {
  const found = await Promise.all(
    nodes.map(async ({ name, address }) => {
      if (isIP(address) !== 0) return { name, address };
      const known = before.find((one) => one.name === name)?.address;
      const addresses: readonly string[] = await lookUp(address).catch(() => []);
      const [first = known] = addresses;
      return { name, address: known !== undefined && addresses.includes(known) ? known : first };
    }),
  );
  return found.flatMap(({ name, address }) => (address === undefined ? [] : [{ name, address }]));
}

async function lookUpInSystem(name: string): Promise<string[]> {
  return (await lookup(name, { all: true, order: 'ipv4first' })).map(({ address }) => address);
}
