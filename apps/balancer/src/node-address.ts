/**
 * Where nodes that are known by name are now. haproxy could resolve names itself, but asks name servers only; the system's
 * resolver knows hosts files too. A node whose name does not resolve stays where it was; one that never did is left out,
 * so that it keeps the others from nothing.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { NodeEntry } from './node-list.ts';

/** The same nodes by address. */
export async function withAddresses(
  nodes: readonly NodeEntry[],
  before: readonly NodeEntry[],
): Promise<NodeEntry[]> {
  const found = await Promise.all(
    nodes.map(async ({ name, address }) => {
      const known = before.find((one) => one.name === name)?.address ?? null;
      return { name, address: (await resolve(address)) ?? known };
    }),
  );
  return found.flatMap(({ name, address }) => (address === null ? [] : [{ name, address }]));
}

async function resolve(address: string): Promise<string | null> {
  if (isIP(address) !== 0) return address;
  try {
    return (await lookup(address, { order: 'ipv4first' })).address;
  } catch {
    return null;
  }
}
