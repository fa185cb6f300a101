/**
 * The nodes that a balancer knew last, kept in its folder: one that starts while the admin API is out of reach serves them,
 * because callers must not notice that the control plane is gone.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeEntry, nodeList } from './node-list.ts';

/** Reads them; an empty list when there are none, or when they cannot be read. */
export function readKnownNodes(state: string): NodeEntry[] {
  try {
    const known = JSON.parse(readFileSync(join(state, 'nodes.json'), 'utf8')) as NodeEntry[];
    return nodeList(known.map(({ name, address }) => ({ name, address })));
  } catch {
    return [];
  }
}

/** Keeps them, by one rename. */
export function keepKnownNodes(state: string, nodes: readonly NodeEntry[]): void {
  const file = join(state, 'nodes.json');
  writeFileSync(`${file}.next`, `${JSON.stringify(nodes)}\n`, { mode: 0o600 });
  renameSync(`${file}.next`, file);
}
